#!/usr/bin/env bash
# Runs the octavo command as a user would: answers, exit codes, messages, files.
# Usage: cli_test.sh OCTAVO CHECKPOINT, the path of the command and of a BERT checkpoint directory.
set -u
octavo=$(realpath "$1")
checkpoint=$(realpath "$2")
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/cli_support.sh"

nouns=(dog river engineer piano mountain child letter market storm garden teacher window)
verbs=(watches follows paints repairs remembers crosses describes leaves)
for i in $(seq 0 89); do
  echo "The ${nouns[$((i % 12))]} ${verbs[$((i % 8))]} the ${nouns[$((i * 5 % 11))]} near the ${nouns[$((i * 7 % 12))]}."
done >data.txt
head -n 5 data.txt >five.txt

# Help and usage.
run 0 --help; out_has "octavo SUBCOMMAND"; err_is_empty
run 0 --version; out_has "octavo "; lines_are out 1
for subcommand in calibrate analyze bench embed classify rank tag answer fill run generate perplexity tokenize info selftest; do
  run 0 $subcommand --help; out_has "octavo $subcommand"; out_has "Example:"; out_has "--help"; err_is_empty
  run 2 $subcommand --no-such-flag; is_wrong_usage "unknown option '--no-such-flag'"
done
run 2; is_wrong_usage "a subcommand is missing"
run 2 dance; is_wrong_usage "unknown subcommand 'dance'"
run 2 embed -p a; is_wrong_usage "--model is missing"
run 2 embed -m x; is_wrong_usage "no input: --prompt or --file is missing"
run 2 embed -m x -p a -t 0; is_wrong_usage "--threads is '0'"
run 2 embed -m x -p a --isa z80; is_wrong_usage "--isa is 'z80'"
run 2 embed -m x -p a --pooling middle; is_wrong_usage "--pooling is 'middle'"
run 2 embed -m x -p a --pooling none --truncate-dim 4; is_wrong_usage "--truncate-dim is for embeddings"
run 2 embed -m x -p a --prefix "a" --prompt-name b; is_wrong_usage "--prefix and --prompt-name exclude each other"
run 2 embed -m x -p a --json -o a.npy; is_wrong_usage "--json and --output a.npy exclude each other"
run 2 calibrate -d data.txt; is_wrong_usage "the checkpoint directory is missing"
run 2 calibrate x --seed 3; is_wrong_usage "--seed has no effect without --data"
run 2 calibrate x -d data.txt --method entropy; is_wrong_usage "--method is 'entropy'"
run 2 calibrate x -d data.txt --equalize magic; is_wrong_usage "--equalize is 'magic'"
run 2 calibrate x -d data.txt --method percentile --percentile 100; is_wrong_usage "--percentile is '100'"
run 2 calibrate x -d data.txt --copies -1; is_wrong_usage "--copies is '-1'"
run 2 calibrate x -d data.txt --bias-correction maybe; is_wrong_usage "--bias-correction is 'maybe'"
run 2 calibrate x -d data.txt --probabilities int4; is_wrong_usage "--probabilities is 'int4'"
run 2 calibrate x -d data.txt --target-cosine 1; is_wrong_usage "--target-cosine is '1'"
run 2 calibrate x -d data.txt --target-cosine 0.999 --extra-bits all; is_wrong_usage "--extra-bits has no effect beside --target-cosine"
run 2 calibrate x -d data.txt --extra-bits a,,b; is_wrong_usage "--extra-bits is 'a,,b'"
run 2 calibrate x -d data.txt --memory much; is_wrong_usage "--memory is 'much'"
run 2 calibrate x -d data.txt --report r.pdf; is_wrong_usage "--report is 'r.pdf'"

# Errors: exit code 1, one line that names the thing.
for words in "embed -m no-such-model -p a" "embed -m $checkpoint -f no-such-file" "info -m data.txt" \
  "calibrate $checkpoint -d no-such-file" "calibrate $checkpoint -d data.txt -o no-such-directory/x.octavo" \
  "embed -m $checkpoint -p a -o no-such-directory/x.txt" "calibrate $checkpoint -d data.txt --column 2"; do
  # shellcheck disable=SC2086
  run 1 $words; out_is_empty; lines_are err 1; err_has "octavo: "
done
err_has "data.txt:1: has 1 tab-separated columns, expected column 2"
: >empty.txt
run 1 calibrate "$checkpoint" -d empty.txt; err_has "empty.txt: has no line with text"

# Without data the samples are built in; few or narrow ones are said to be that, and stand beside built-in ones.
if [ -z "${SANITIZED-}" ]; then  # minutes when instrumented; unit tests do the same with small models
  run 0 calibrate "$checkpoint" --samples 48 --ablations off --rounding nearest --equalize smoothquant -o none.octavo
  out_has "calibrated on  48 samples"; out_has "of which 48 built in"; out_has "embeddings of 64 held-out samples"
  for i in $(seq 16); do echo "test $i"; done >narrow.txt
  run 0 calibrate "$checkpoint" -d narrow.txt --ablations off --rounding nearest --equalize smoothquant --json -o topped.octavo
  out_has '"samples":142'; out_has '"built_in":128'; out_has '"built_in_closeness":{"compared":64'
  err_has "the samples are few or narrow: built-in ones go"; err_has "calibrating on 128 of these, too"
  run 0 calibrate "$checkpoint" -d narrow.txt --top-up off --ablations off --rounding nearest --equalize smoothquant --json -o few.octavo
  out_has '"samples":14'; out_has '"built_in":0'; out_has '"built_in_closeness":{"compared":64'; err_has "--top-up on would"
fi
export OCTAVO_TOP_UP=off  # what follows is about its own samples

# Calibration: a report on stdout, log lines on stderr, one file.
run 0 calibrate "$checkpoint" -d data.txt -o model.octavo --batch-size 8 --equalize smoothquant
out_has "calibrated on  79 samples"; out_has "embeddings of 11 held-out samples"; err_has "data.txt: 90 samples"
[ -s model.octavo ] || fail "octavo $command: no model.octavo"
cosine=$(sed -n 's/.*cosine *mean \([0-9.]*\), lowest.*/\1/p' out)
awk -v c="${cosine:-0}" 'BEGIN { exit !(c > 0.95) }' || fail "octavo $command: mean cosine $cosine, expected above 0.95"
cp model.octavo first.octavo
run 0 calibrate "$checkpoint" -d data.txt --batch-size 8 -o model.octavo --json -q --equalize smoothquant --memory 0
out_has '"samples":79'; out_has '"held_out":true'; out_has '"cosine_mean":0.9'; err_is_empty
cmp -s model.octavo first.octavo || fail "octavo $command: the same calibration with less memory gave another file"
out_has '"ablations":[{"without":"equalize"'; out_has '"convergence":{"samples_before":'
run 0 calibrate "$checkpoint" -d data.txt --batch-size 8 -o plain.octavo --equalize none --copies 0 \
  --bias-correction off --rounding nearest --report plain.html -q
grep -q '</html>' plain.html || fail "octavo $command: plain.html is not a page"
plain=$(sed -n 's/.*cosine *mean \([0-9.]*\), lowest.*/\1/p' out)
awk -v a="$cosine" -v b="$plain" 'BEGIN { exit !(a > b) }' || fail "octavo $command: mean cosine $plain, with all techniques $cosine"
run 0 info -m model.octavo --json; out_has '"report":{"ablations":'
run 0 calibrate "$checkpoint" -d five.txt --rounding nearest --equalize smoothquant --ablations off -q
[ -s "$(basename "$checkpoint").octavo" ] || fail "octavo $command: no file of the checkpoint's name"
printf 'one text\tanother text\t1\r\n\r\na third\ta fourth\t2\r\n' >pairs.tsv
run 0 calibrate "$checkpoint" -d pairs.tsv --column 1,2 --ablations off --rounding nearest --equalize smoothquant -o pairs.octavo
out_has "calibrated on  4 samples"; err_has "too few samples to hold any out"; err_has "1 empty skipped"

# Embeddings: text, JSON, .npy, similarity; the same from flags, files and stdin, alone and in batches.
run 0 embed -m model.octavo -f five.txt; lines_are out 5; err_is_empty; cp out five.out
columns=$(head -n 1 five.out | wc -w)
run 0 embed -m model.octavo -f five.txt -b 1 -t 1; cmp -s out five.out || fail "octavo $command: other numbers in batches of 1"
"$octavo" embed -m model.octavo -f - <five.txt >out 2>err; cmp -s out five.out || fail "embed -f -: other numbers"
sed 's/$/\r/' five.txt >crlf.txt
run 0 embed -m model.octavo -f crlf.txt; cmp -s out five.out || fail "octavo $command: other numbers with CRLF"
run 0 embed -m model.octavo -p "$(head -n 1 five.txt)"; cmp -s out <(head -n 1 five.out) || fail "octavo $command: other numbers"
run 0 embed -m model.octavo -f five.txt -o five.txt.out; out_is_empty
cmp -s five.txt.out five.out || fail "octavo $command: other numbers in a file"
OCTAVO_MODEL=model.octavo run 0 embed -f five.txt; cmp -s out five.out || fail "octavo $command: OCTAVO_MODEL is ignored"
run 0 embed -m model.octavo -p "" -p "a, b" --json; lines_are out 2
out_has '{"index":0,"tokens":2,"embedding":['; out_has '{"index":1,"tokens":5,"embedding":['
run 0 embed -m model.octavo -p "a" --pooling none; lines_are out 3
run 0 embed -m model.octavo -f five.txt --similarity; lines_are out 5
expect "$(awk 'NR == 3 { print $3, NF }' out)" "1.000000 5" "diagonal and columns"
run 0 embed -m model.octavo -f five.txt -o five.npy; out_is_empty
expect "$(stat -c %s five.npy)" $((128 + 5 * columns * 4)) "bytes of five.npy"
expect "$(od -A n -j 128 -N 4 -t f4 five.npy | awk '{ printf "%.5f", $1 }')" \
  "$(awk 'NR == 1 { printf "%.5f", $1 }' five.out)" "first number of five.npy"
run 0 embed -m model.octavo -f empty.txt; out_is_empty
run 0 embed -m "$checkpoint" -p "A sentence."; lines_are out 1
run 0 embed -m model.octavo -f five.txt --max-length 4 --json; err_has "5 of 5 inputs were longer than 4 tokens"
run 0 embed -m model.octavo -f five.txt --max-length 4 -q; err_is_empty
run 1 embed -m model.octavo -p a --max-length 100000; err_has "--max-length is 100000"

# A sentence-transformers directory: its prompts, similarity and warnings, until flags say otherwise.
run 0 embed -m model.octavo -p a --no-normalize; cp out raw.out
OCTAVO_NORMALIZE=no run 0 embed -m model.octavo -p a; cmp -s out raw.out || fail "octavo $command: OCTAVO_NORMALIZE is ignored"
OCTAVO_NORMALIZE=no run 0 embed -m model.octavo -p a --normalize; cmp -s out raw.out && fail "octavo $command: not normalized"
run 0 embed -m model.octavo -p a --truncate-dim 7; expect "$(wc -w <out)" 7 "numbers of an embedding"
run 1 embed -m model.octavo -p a --truncate-dim 5000; err_has "truncate_dim is 5000"; lines_are err 1
run 1 embed -m model.octavo -p a --prompt-name query; err_has 'has no prompt "query", nor any other'; lines_are err 1
cp -r "$checkpoint" sentences && chmod -R u+w sentences
cat >sentences/modules.json <<'END'
[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
 {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
END
cat >sentences/config_sentence_transformers.json <<'END'
{"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "query", "similarity_fn_name": "euclidean", "color": 3}
END
run 0 embed -m sentences -p "a cat"; err_has "config_sentence_transformers.json: color is not known"; cp out query.out
for prompt in "--prefix= -p 'query: a cat'" "--prompt-name query -p 'a cat'" "--no-normalize -p 'a cat'"; do
  eval "run 0 embed -m sentences -q $prompt"; cmp -s out query.out || fail "octavo $command: other numbers"
done
run 0 embed -m sentences -q -p "a cat" --prompt-name passage; cmp -s out query.out && fail "octavo $command: the query's numbers"
run 1 embed -m sentences -q -p a --prompt-name document; err_has 'has no prompt "document", it has passage, query'
run 0 embed -m sentences -q -p "a cat" -p "a dog" --similarity
expect "$(awk 'NR == 1 { print ($1 == 0 && $2 < -0.1) }' out)" 1 "negative distances"
run 0 info -m sentences -q; out_has 'not normalized; similarity euclidean'; out_has 'prompt query (default) "query: "'
sed -i 's/models.Pooling/models.CNN/' sentences/modules.json
run 1 embed -m sentences -p a; err_has "modules.json: modules[1]: type is"; err_has "models.CNN"; lines_are err 1

# Every instruction set gives the same answer.
for isa in $("$octavo" info | awk '$2 == "available" || $2 == "available," { print $1 }'); do
  run 0 embed -m model.octavo -f five.txt --isa "$isa" -v
  err_has "$isa"; cmp -s out five.out || fail "octavo $command: other numbers"
  tested_isas=yes
done
[ "${tested_isas:-}" = yes ] || fail "octavo info lists no available instruction set"

# Tokens, information, self-test.
run 0 tokenize -m model.octavo -p "Hello, world"
expect "$(head -n 2 out | tail -n 1)" "$(printf '7592\thello\t0\t5')" "second token"; lines_are out 5
run 0 tokenize -m "$checkpoint" -p "Hello" -p "" --json; lines_are out 2
out_has '{"index":0,"ids":[101,7592,102],"tokens":["[CLS]","hello","[SEP]"],"offsets":[[0,0],[0,5],'
out_has '{"index":1,"ids":[101,102],'
run 0 info; out_has "CPU"; out_has "scalar"; err_is_empty
run 0 info --json; out_has '"isas":['; lines_are out 1
run 0 info -m model.octavo; [ -s out ] || fail "octavo $command: no answer"
run 0 info -m model.octavo --json; out_has '{'
run 0 selftest; out_has "mismatches"
run 0 selftest --json --seed 3; err_is_empty

# The method: flags of calibrate, the paper's setting, analyses.
run 2 calibrate "$checkpoint" -d data.txt --softmax 0.1:1; is_wrong_usage "--softmax is '0.1:1'"
run 2 calibrate "$checkpoint" -d data.txt --attn-prune 1; is_wrong_usage "--attn-prune is '1'"
run 2 calibrate "$checkpoint" -d data.txt --attn-log-bits 3; is_wrong_usage "--attn-log-bits needs --attn-prune"
run 2 calibrate "$checkpoint" -d data.txt --softmax -0.1:1 --alpha 1:128; is_wrong_usage "--softmax and --alpha exclude"
run 2 calibrate "$checkpoint" -d data.txt --alpha 4; is_wrong_usage "--alpha is '4'"
run 2 calibrate "$checkpoint" -d data.txt --gate-scale no; is_wrong_usage "--gate-scale is 'no'"
run 2 calibrate "$checkpoint" -d data.txt --gate-type per_head; is_wrong_usage "--gate-type is 'per_head'"
run 0 calibrate "$checkpoint" -d data.txt --alpha 3.2:128 --ablations off --rounding nearest --equalize smoothquant -o clipped.octavo
run 0 info -m clipped.octavo; out_has "gamma -0.025"
run 1 calibrate "$checkpoint" -d data.txt --extra-bits no.such --equalize smoothquant; err_has "no.such cannot have extra bits"
if [ -z "${SANITIZED-}" ]; then  # a minute or two when instrumented; unit tests search small models
  run 0 calibrate "$checkpoint" -d data.txt --target-cosine 0.9992 --rounding nearest --equalize smoothquant --ablations off -q -o target.octavo
  out_has "0.99920 reached"; out_has "x the multiply-adds"
  run 0 info -m target.octavo; out_has "+ 3 bits"; out_has '"extra_bits"'
  run 0 embed -m target.octavo -f five.txt; lines_are out 5
fi
run 0 calibrate "$checkpoint" -d data.txt --paper -o paper.octavo
run 0 embed -m paper.octavo -f five.txt; lines_are out 5
run 2 analyze; is_wrong_usage "the checkpoint directory is missing"
run 2 analyze "$checkpoint" -d data.txt --bits 8; is_wrong_usage "--bits is '8'"
run 0 analyze "$checkpoint" -d five.txt -q --html page.html; out_has "mean kurtosis"; err_is_empty
grep -q "<svg" page.html || fail "octavo $command: no plot in the page"
if grep -Eq '(src|href)=|<script|url\(' page.html; then fail "octavo $command: the page loads something"; fi
run 0 analyze "$checkpoint" -d five.txt -m paper.octavo --json; out_has '"sqnr_db":'; lines_are out 1
run 1 analyze paper.octavo -d five.txt; err_has "paper.octavo"

# Times: a row for each point of the grid.
run 2 bench; is_wrong_usage "--model is missing"
run 2 bench -m a,,b; is_wrong_usage "--model is 'a,,b'"
run 2 bench -m model.octavo -p 0; is_wrong_usage "--length is '0'"
run 2 bench -m model.octavo --isa z80; is_wrong_usage "--isa is 'z80'"
run 2 bench -m model.octavo -o xml; is_wrong_usage "--output-format is 'xml'"
run 2 bench -m model.octavo -f five.txt -n 4; is_wrong_usage "--decode has no effect beside --file"
run 1 bench -m model.octavo -n 4; err_has "model.octavo: predicts no next token"; lines_are err 1
run 2 bench -m model.octavo -p 65537; is_wrong_usage "--length is '65537'"
run 1 bench -m model.octavo -p 60000; err_has "model.octavo: --length is 60000"; lines_are err 1; out_is_empty
run 0 bench -m "model.octavo,$checkpoint" -p 4,9 -b 1,2 -r 2 -o csv; lines_are out 9; err_is_empty
expect "$(cut -d, -f 2 out | sort | uniq -c | tr -s ' \n' ' ')" " 4 float32 4 int8 1 precision " "rows"
run 0 bench -m model.octavo -f five.txt -b 2 -t 1,2 -r 3 -o jsonl; lines_are out 2
out_has '"threads":2,"batch":2,"length":0,"decode":0,"sequences":5,'; out_has '"peak_memory_mb":'
run 0 bench -m model.octavo -p 4 -r 1; out_has "| model.octavo | int8 |"; out_has "len 4 x 1"
run 0 bench -m model.octavo -p 4 -r 1 -o json; out_has '{"cpu":"'; lines_are out 1
run 2 bench -m model.octavo --profile -o csv; is_wrong_usage "--profile has no effect beside --output-format csv"
run 0 bench -m model.octavo -p 4 -r 1 --profile; out_has "| Attention | encoder.layer.*.attention.self |"

# A model that is no decoder makes no text.
run 1 generate -m model.octavo -p x; err_has "does not predict the next token"; lines_are err 1; out_is_empty
run 1 perplexity -m model.octavo -f many.txt; err_has "predicts neither next nor masked tokens"; lines_are err 1; out_is_empty
run 2 generate -m model.octavo -p x --temp hot; is_wrong_usage "--temp is 'hot', expected a number"
run 2 generate -m model.octavo -p x --beams 2 --temp 1; is_wrong_usage "--temp has no effect beside --beams"
run 2 perplexity -m model.octavo; is_wrong_usage "--file"

# What a calibration finds does not depend on the batches; weights that are something else are called by their name.
for batch in 1 32; do
  run 0 calibrate "$checkpoint" -d data.txt -b $batch -o "batch$batch.octavo" --ablations off -q
  run 0 embed -m "batch$batch.octavo" -f five.txt -q; cp out "batch$batch.out"
done
paste -d ' ' batch1.out batch32.out | awk '{ n = NF / 2; d = 0; for (i = 1; i <= n; ++i) d += $i * $(i + n); if (d < 0.9999) exit 1 }' ||
  fail "calibrate -b 1 and -b 32 make models further apart than a cosine of 0.9999"
cp -r "$checkpoint" pointer; chmod -R u+w pointer
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n' >pointer/model.safetensors
run 1 embed -m pointer -p a; lines_are err 1; err_has "octavo: pointer/model.safetensors: is a git-lfs pointer"
rm pointer/model.safetensors; : >pointer/tf_model.h5
run 1 embed -m pointer -p a; lines_are err 1; err_has "octavo: pointer: has tf_model.h5, expected model.safetensors"
rm -r pointer

# Outputs that cannot be written, readers that leave, interrupts.
if [ -e /dev/full ]; then
  "$octavo" embed -m model.octavo -p a >/dev/full 2>err
  expect $? 1 "exit code on a full device"; err_has "octavo: standard output: cannot write it"
fi
yes "some text" | head -n 2000 >many.txt
"$octavo" embed -m model.octavo -f many.txt 2>err | head -n 1 >out
expect "${PIPESTATUS[0]}" 1 "exit code when the reader has gone"; err_is_empty
mkdir interrupted
yes "some text" | timeout --preserve-status -k 20 -s INT 2 env --default-signal=INT \
  "$octavo" embed -m model.octavo -f - -o interrupted/a.txt >out 2>err
expect "${PIPESTATUS[1]}" 130 "exit code on Ctrl-C"
expect "$(ls -A interrupted)" "" "files left by Ctrl-C"

[ "$failures" = 0 ] && echo "All checks passed" && exit 0
echo "$failures checks failed"
exit 1
