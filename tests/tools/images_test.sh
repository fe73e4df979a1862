#!/usr/bin/env bash
# Runs the octavo command on pictures as a user would: answers, bad files among good ones, accuracy, calibration, features.
# Usage: images_test.sh OCTAVO PRETRAINED, the path of the command and of the folder of shipped models
set -u
octavo=$(realpath "$1")
pretrained=$(realpath "$2")
checkpoint=$pretrained/deit-tiny-patch16-224-gated
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/cli_support.sh"

export OCTAVO_TOP_UP=off  # two pictures are few
cp -r "$pretrained/pictures" good
clock=good/clock.png light=good/traffic-light.jpg

run 0 classify --help; out_has "--top-k"
run 2 classify -m x; err_has "no input: --prompt, --image or --file is missing"
run 2 classify --image "$clock"; err_has "--model is missing"
run 2 classify -m "$pretrained/all-MiniLM-L6-v2-gated" --image "$clock"; err_has "--image has no effect"

# A calibrated model, from a folder; the same file from a list.
run 0 calibrate "$checkpoint" -d good --rounding nearest --equalize smoothquant -o vit.octavo; out_has "calibrated on  2 samples"; out_has "logits of 2 calibration samples"
printf '%s\n%s\n' "$clock" "$light" >list.txt
run 0 calibrate "$checkpoint" -d list.txt --rounding nearest --equalize smoothquant -o list.octavo; cmp -s vit.octavo list.octavo || fail "another file from a list than from a folder"

# What is there for texts only.
run 1 calibrate "$checkpoint" -d good --paper -o paper.octavo; err_has "the paper's setting is there for models of text only"
[ -e paper.octavo ] && fail "a file of a refused setting"
run 1 analyze "$checkpoint" -d list.txt; err_has "deit-tiny-patch16-224-gated"

# Answers: float32 and INT8, files, folders and lists, every instruction set and batch size.
run 0 classify -m "$checkpoint" --image "$clock" --top-k 1; out_has "analog clock"; lines_are out 1
run 0 classify -m vit.octavo --image good --top-k 2; lines_are out 4; cp out expected
out_has "$(printf '%s\t409\t' "$clock")"; out_has "$(printf '%s\t920\t' "$light")"
run 0 classify -m vit.octavo --image "$clock" "$light" --top-k 2 -b 1 -t 1; cmp -s out expected || fail "other answers in batches of 1"
run 0 classify -m vit.octavo -f list.txt --top-k 2 -t 3; cmp -s out expected || fail "other answers from a list"
for isa in $("$octavo" info | awk '$2 == "available" || $2 == "available," { print $1 }'); do
  run 0 classify -m vit.octavo --image good --top-k 2 --isa "$isa"; cmp -s out expected || fail "other answers with $isa"
done

# Bad files: one line each, the rest answered, exit code 1.
head -c 4000 "$light" >truncated.jpg
echo "These are words." >words.jpg
printf 'P6 1 1 255\nab' >dot.ppm
printf 'P6 30000 30000 255\n' >huge.ppm
run 1 classify -m vit.octavo --image truncated.jpg "$clock" words.jpg dot.ppm huge.ppm missing.jpg "$light" --top-k 2
cmp -s out expected || fail "bad files change the answers of the good ones"
err_has "truncated.jpg: is a damaged JPEG"; err_has "words.jpg: is no JPEG, PNG"; err_has "dot.ppm: is a damaged PPM"
err_has "huge.ppm: claims to be 30000 x 30000 pixels"; err_has "missing.jpg: cannot be opened"; err_has "5 of 7 pictures could not be read"
run 1 classify -m vit.octavo --image words.jpg "$clock" --json; lines_are out 2
out_has '{"index":0,"input":"words.jpg","error":"words.jpg: is no JPEG'; out_has '{"index":1,"input":"good/clock.png","labels":[{"id":409,"label":"analog clock","score":0.'

# Tabs and line ends in names do not make other fields or lines.
cp "$clock" "$(printf 'a\tb\nc\\d.png')"
run 0 classify -m vit.octavo --image "$(printf 'a\tb\nc\\d.png')" --top-k 1; lines_are out 1; out_has "$(printf '%s\t409\t' 'a\tb\nc\\d.png')"
mkdir named && cp "$checkpoint/config.json" "$checkpoint/model.safetensors" named/ && sed '410s/.*/analog\tclock/' "$checkpoint/labels.txt" >named/labels.txt
run 0 classify -m named --image "$clock" --top-k 1; out_has 'analog\tclock'

# Accuracy against labels.
printf 'clock.png\t409\ntraffic-light.jpg\t3\n' >labels.tsv
run 0 classify -m vit.octavo --image good --labels labels.tsv; err_has "top-1 50.0 %, top-5 50.0 % of 2 labelled inputs"
run 0 classify -m vit.octavo --image good --labels labels.tsv --json; lines_are out 3; out_has '{"pictures":2,"top1":0.5,"top5":0.5}'
printf 'clock.png\tclock\n' >bad.tsv
run 1 classify -m vit.octavo --image good --labels bad.tsv; err_has "bad.tsv:1: the class is 'clock'"

# Features.
run 0 embed -m vit.octavo --image good; lines_are out 2
run 0 embed -m vit.octavo -f list.txt --json; out_has '{"index":0,"tokens":197,"embedding":['
run 1 embed -m vit.octavo --image words.jpg; err_has "words.jpg: is no JPEG"
run 1 embed -m vit.octavo -p "some text"; err_has "takes pictures, not texts"

[ "$failures" = 0 ] && echo "All checks passed" && exit 0
echo "$failures checks failed"
exit 1
