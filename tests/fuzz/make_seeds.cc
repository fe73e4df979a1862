// Writes the inputs that fuzzing starts from: make_seeds OUT makes OUT/<target>/<name>.
#include "io/safetensors.h"
#include "tests/fuzz/tiny_checkpoints.h"
#include "tests/support/golden_heads.h"
#include "tests/support/outliers.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/torch_files.h"

#include "octavo/calibration.h"
#include "octavo/token_reduction.h"

#include <iostream>

using namespace octavo;

namespace {

using std::filesystem::path;

void calibrate_and_save(const test::TinyCheckpoint& checkpoint, const CalibrationOptions& options, const path& file,
                        std::string_view tokenizer = "", bool with_extra_bits = false,
                        const std::vector<TokenReduction>& reductions = {}) {
  const test::TemporaryDirectory directory;
  checkpoint.write(directory.path());
  if (!tokenizer.empty()) test::write_bytes(directory / "tokenizer.json", tokenizer);
  const Model whole = Model::from_checkpoint(directory.path()),
              model = reductions.empty() ? whole : with_fewer_tokens(whole, reductions);
  Calibrator calibrator(model, options);
  Workspace workspace({.threads = 1});
  if (model.info().image) {
    calibrator.observe(test::random_images(4, model.info().image->width), workspace);
  } else {
    calibrator.observe(test::random_batch(16, std::min(20, model.info().max_positions), model.info().vocab_size),
                       workspace);
  }
  CalibrationOptions chosen = options;
  if (with_extra_bits) chosen.precision.extra_bits = calibrator.extra_bits();
  calibrator.quantize(chosen).model.save(file);
}

void write_models(const path& out) {
  const CalibrationOptions plain = {
      .weights = {.rounding = WeightRounding::nearest, .bias_correction = false},
      .activations = {.equalize = EqualizeMethod::none, .channel_splits = 0, .probabilities = ProbabilityType::uint8}};
  CalibrationOptions wide = plain, narrow = plain, four_bit = plain;
  four_bit.weights.bits = 4;
  four_bit.weights.vocabulary_bits = 4;
  wide.activations.probabilities = ProbabilityType::uint16;
  narrow.activations.residual = ResidualType::int8;
  narrow.activations.head = HeadType::int8;
  narrow.activations.channel_splits = 32;
  test::TinyBert mlp({.layers = 1,
                      .hidden_size = 12,
                      .heads = 2,
                      .head_size = 4,
                      .intermediate_size = 8,
                      .vocab_size = 9,
                      .types = 0,
                      .positions = 9,
                      .gamma = -0.03,
                      .softmax1 = true,
                      .activation = "relu",
                      .gate_type = "conditional_per_head",
                      .gate_kind = "mlp"});
  calibrate_and_save(fuzz::tiny_bert(), plain, out / "bert", test::small_tokenizer().dump());
  calibrate_and_save(fuzz::tiny_bert(), wide, out / "bert_wide");
  calibrate_and_save(fuzz::tiny_bert(), narrow, out / "bert_narrow");
  calibrate_and_save(fuzz::tiny_bert(), CalibrationOptions::quantizable_transformers(), out / "bert_paper");
  calibrate_and_save(fuzz::tiny_bert(), plain, out / "bert_refined", "", true);
  calibrate_and_save(mlp, plain, out / "bert_mlp");
  calibrate_and_save(fuzz::tiny_opt(), plain, out / "opt", test::small_bpe().dump());
  narrow.activations.residual = ResidualType::int16;
  calibrate_and_save(fuzz::tiny_opt(), narrow, out / "opt_narrow");
  calibrate_and_save(fuzz::tiny_opt(), four_bit, out / "opt_four_bit");
  calibrate_and_save(fuzz::tiny_vit(), plain, out / "vit");
  const test::TinyVit two_layers(
      {.layers = 2, .hidden_size = 12, .heads = 3, .intermediate_size = 8, .classes = 3, .patch = 4, .image = 8});
  calibrate_and_save(two_layers, plain, out / "vit_merged", "", false, {{0, TokenReductionKind::merge, 2}});
  calibrate_and_save(two_layers, plain, out / "vit_pruned", "", false, {{0, TokenReductionKind::prune, 1}});
  calibrate_and_save(fuzz::tiny_beit(), plain, out / "beit");
  calibrate_and_save(fuzz::TinyCct(), plain, out / "cct");
  calibrate_and_save(fuzz::tiny_urpe(), plain, out / "bert_urpe");
  test::TinyBert outliers = fuzz::tiny_bert();
  test::plant_sum_outlier(outliers, 0, 5);
  calibrate_and_save(outliers, plain, out / "bert_outliers");
  const test::GoldenHeads modern("modern_encoders.safetensors");
  calibrate_and_save(modern.checkpoints.at("ModernBertModel"), plain, out / "modernbert");
  calibrate_and_save(modern.checkpoints.at("EuroBertModel"), plain, out / "eurobert");
}

std::string with_files(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string result;
  for (const auto& [name, text] : files) result += "--- " + name + "\n" + text + "\n";
  return result;
}

void write_checkpoints(const path& out) {
  std::string lines, vocabulary, merges;
  for (const std::string& token : test::small_vocabulary()) lines += token + "\n";
  for (const std::string& merge : test::small_bpe_merges()) merges += merge + "\n";
  vocabulary = test::vocabulary_json(test::small_bpe_vocabulary()).dump();
  const std::string bert = fuzz::tiny_bert().config.dump(), opt = fuzz::tiny_opt().config.dump();
  const std::string pooling = R"({"word_embedding_dimension": 12, "pooling_mode_cls_token": false,
 "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false})";
  const std::string modules =
      R"([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
 {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
 {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}])";
  const std::string preprocessor = R"({"do_normalize": true, "do_rescale": true, "do_resize": true,
 "rescale_factor": 0.00392156862745098, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 2,
 "do_center_crop": true, "crop_size": {"height": 8, "width": 8}, "size": {"shortest_edge": 10}})";
  test::write_bytes(
      out / "bert",
      with_files({{"config.json", bert},
                  {"tokenizer.json", test::small_tokenizer().dump()},
                  {"modules.json", modules},
                  {"sentence_bert_config.json", R"({"max_seq_length": 16, "do_lower_case": false})"},
                  {"config_sentence_transformers.json",
                   R"({"prompts": {"query": "a"}, "default_prompt_name": "query", "similarity_fn_name": "cosine"})"},
                  {"1_Pooling/config.json", pooling}}));
  test::write_bytes(
      out / "bert_torch",
      with_files({{"config.json", bert}, {"pytorch_model.bin", test::torch_archive_of(fuzz::tiny_bert().tensors)}}));
  test::write_bytes(
      out / "bert_vocabulary",
      with_files({{"config.json", bert},
                  {"vocab.txt", lines},
                  {"tokenizer_config.json", R"({"do_lower_case": true, "model_max_length": 16,
 "tokenizer_class": "BertTokenizer", "strip_accents": null, "tokenize_chinese_chars": true, "unk_token": "[UNK]",
 "added_tokens_decoder": {"4": {"content": "[MASK]", "lstrip": true, "normalized": false, "rstrip": false,
 "single_word": false, "special": true}}})"},
                  {"special_tokens_map.json", R"({"mask_token": {"content": "[MASK]", "lstrip": true}})"}}));
  test::write_bytes(out / "opt", with_files({{"config.json", opt}, {"tokenizer.json", test::small_bpe().dump()}}));
  test::write_bytes(out / "opt_merges",
                    with_files({{"config.json", opt},
                                {"vocab.json", vocabulary},
                                {"merges.txt", "#version: 0.2\n" + merges},
                                {"tokenizer_config.json", R"({"add_bos_token": true, "bos_token": "</s>",
 "eos_token": "</s>", "unk_token": "</s>", "add_prefix_space": false})"},
                                {"special_tokens_map.json", R"({"bos_token": "</s>"})"},
                                {"generation_config.json", R"({"bos_token_id": 2, "eos_token_id": 2})"}}));
  test::write_bytes(out / "vit_timm",
                    with_files({{"config.json", fuzz::tiny_vit().config.dump()}, {"labels.txt", "a\nb\nc"}}));
  test::write_bytes(out / "vit",
                    with_files({{"config.json", fuzz::tiny_vit(test::VitNames::hugging_face).config.dump()},
                                {"preprocessor_config.json", preprocessor}}));
  test::write_bytes(out / "beit", with_files({{"config.json", fuzz::tiny_beit().config.dump()},
                                              {"preprocessor_config.json", preprocessor}}));
  test::write_bytes(out / "cct", with_files({{"config.json", fuzz::TinyCct().config.dump()}}));
  nlohmann::json loop = fuzz::tiny_bert().config;
  loop["layer_loop"] = {{"first", 0}, {"layers", 1}, {"times", 3}};
  test::write_bytes(out / "bert_loop", with_files({{"config.json", loop.dump()}}));
}

void write_safetensors_files(const path& out) {
  std::filesystem::create_directories(out);
  std::map<std::string, Tensor, std::less<>> tensors;
  for (const DType type : {DType::f32, DType::f16, DType::bf16, DType::s8, DType::u8, DType::s16, DType::s32})
    tensors[std::string(name_of(type))] = Tensor(type, {2, 3});
  tensors["none"] = Tensor(DType::f32, {0, 4});
  tensors["one"] = Tensor(DType::f32, {});
  write_safetensors(out / "types", tensors, {{"format", "pt"}, {"text", "\"\\u00e9\n"}});
  write_safetensors(out / "empty", {}, {});
}

void write_pictures(const path& out) {
  const SafetensorsFile golden = read_safetensors(OCTAVO_SOURCE_DIR "/tests/golden/pictures.safetensors");
  for (const auto& [name, tensor] : golden.tensors) {
    if (name.starts_with("file.")) {
      test::write_bytes(out / name.substr(5), {static_cast<const char*>(tensor.data()), tensor.bytes()});
    }
  }
}

void write_texts(const path& out) {
  const std::string texts[] = {
      "Hello hello world's 12\xc2\xa0"
      "3",
      "h\xc3\xa9llo \xe5\x8c\x97\xe4\xba\xac [MASK] </s>", "\xf0\x9f\x98\x80 e\xcc\x81 \xff\xfe\xed\xa0\x80 unaffable",
      "aaaaaaaaaaaaaaaa  \t\r\n'll"};
  for (char tokenizer = 0; tokenizer < 3; ++tokenizer) {
    for (std::size_t i = 0; i < std::size(texts); ++i) {
      test::write_bytes(out / (std::to_string(tokenizer) + "_" + std::to_string(i)),
                        std::string{tokenizer, static_cast<char>(5 + 7 * i)} + texts[i]);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: make_seeds OUT\n";
    return 2;
  }
  const path out = argv[1];
  std::filesystem::create_directories(out / "model");
  write_models(out / "model");
  write_checkpoints(out / "checkpoint");
  write_safetensors_files(out / "safetensors");
  write_pictures(out / "picture");
  write_texts(out / "text");
}
