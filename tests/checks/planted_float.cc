// A float operation for integer_only.sh to find: the proof that the check can fail.
int planted_float(int x) { return static_cast<int>(static_cast<float>(x) * 0.3f); }
