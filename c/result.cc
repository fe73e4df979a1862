// The columns of a ragged answer.
#include "c/handles.h"

namespace {

template <typename T>
const T* column(const octavo_result* result, std::vector<T> octavo_result::*values) {
  return result == nullptr || (result->*values).empty() ? nullptr : (result->*values).data();
}

const char* strings(const octavo_result* result, octavo::c::Strings octavo_result::*values, const int64_t** offsets) {
  const bool there = result != nullptr && (result->*values).offsets.size() > 1;
  if (offsets != nullptr) *offsets = there ? (result->*values).offsets.data() : nullptr;
  return there ? (result->*values).bytes.c_str() : nullptr;
}

}  // namespace

size_t octavo_result_count(const octavo_result* result) { return result == nullptr ? 0 : result->offsets.size() - 1; }

const int64_t* octavo_result_offsets(const octavo_result* result) { return column(result, &octavo_result::offsets); }

const int32_t* octavo_result_ids(const octavo_result* result) { return column(result, &octavo_result::ids); }

const float* octavo_result_scores(const octavo_result* result) { return column(result, &octavo_result::scores); }

const int32_t* octavo_result_starts(const octavo_result* result) { return column(result, &octavo_result::starts); }

const int32_t* octavo_result_ends(const octavo_result* result) { return column(result, &octavo_result::ends); }

const float* octavo_result_vectors(const octavo_result* result, size_t* columns) {
  if (columns != nullptr) *columns = result == nullptr ? 0 : result->columns;
  return column(result, &octavo_result::vectors);
}

const char* octavo_result_labels(const octavo_result* result, const int64_t** offsets) {
  return strings(result, &octavo_result::labels, offsets);
}

const char* octavo_result_texts(const octavo_result* result, const int64_t** offsets) {
  return strings(result, &octavo_result::texts, offsets);
}

void octavo_result_free(octavo_result* result) { delete result; }
