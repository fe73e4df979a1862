// Small models of every kind, what they are asked about, and commands run on them as a user runs them.
#pragma once

#include "commands/commands.h"
#include "io/safetensors.h"
#include "tests/support/byte_level_support.h"
#include "tests/support/golden_tasks.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"
#include "tests/tools/support.h"

#include <algorithm>
#include <string>
#include <unistd.h>
#include <vector>

namespace octavo::test {

using namespace octavo::tools;
using Words = std::vector<std::string>;

struct Ran {
  int code = 0;
  std::string out, err;
};

/// Models of each family, and what they are asked about.
class TinyModels {
 public:
  TinyModels() {
    setenv("OCTAVO_TOP_UP", "off", 1);  // these samples are few
    std::filesystem::create_directory(scratch_ / "bert");
    std::filesystem::create_directory(scratch_ / "opt");
    std::filesystem::create_directory(scratch_ / "vit");
    TinyBert bert({.intermediate_size = 192});
    bert.config["matformer_factor"] = 2;
    bert.write(scratch_ / "bert");
    write_bytes(scratch_ / "bert/tokenizer.json", small_tokenizer().dump());
    TinyOpt opt({.vocab_size = 270, .gate = false});
    opt.config["bos_token_id"] = opt.config["eos_token_id"] = 256;
    opt.write(scratch_ / "opt");
    write_bytes(scratch_ / "opt/tokenizer.json", small_bpe().dump());
    std::filesystem::copy(scratch_ / "bert", scratch_ / "warned");
    write_bytes(scratch_ / "warned/tokenizer_config.json", R"({"new_setting": 3})");
    write_bytes(scratch_ / "warned/config_sentence_transformers.json", R"({"prompts": {"q": "hello "}})");
    TinyVit(TinyVitOptions{.gate = false}).write(scratch_ / "vit");
    std::string texts, table;
    for (int i = 0; i < 40; ++i) {
      texts +=
          "a b c " + std::string(static_cast<std::size_t>(i % 7), 'a') + " hello ! x e " + (i % 3 ? "un" : "Hello");
      texts += "\n";
      table += "a b\thello x x\n";
      write_picture("pictures/" + std::to_string(i % 10) + ".ppm", i);
    }
    scratch_.write("texts.txt", texts);
    scratch_.write("table.tsv", table);
    std::string sentences;
    for (int i = 0; i < 16; ++i)
      sentences += i % 2 ? "Maria lives in Berlin ?\tthe cat sat\n" : "where is it ?\ta river\n";
    scratch_.write("tasks.txt", sentences);
    scratch_.write("cells.tsv", "a cat\tMaria lives in [MASK] .\n");
    scratch_.write("asked.tsv", "what ?\tthe cat sat on the mat in the bank of new york\n");
    std::string labelled = "first\tsecond\tclass\n";
    for (int i = 0; i < 16; ++i) labelled += i % 2 ? "Maria lives\tthe cat\tgood\n" : "a river\ta\t0\n";
    scratch_.write("labelled.tsv", labelled);
    scratch_.write("labels.tsv", "0.ppm\t1\n1.ppm\t2\n");
    scratch_.write("list.txt", scratch_.path("pictures/3.ppm") + "\n");
    for (const char* name : {"bert", "opt"}) {
      run({"calibrate", name, "-d", "texts.txt", "-o", std::string(name) + ".octavo", "--ablations", "off"});
    }
    const GoldenTasks tasks;
    for (const char* name : {"three_labels", "entailment", "identity", "entities", "questions", "masks"}) {
      std::filesystem::create_directory(scratch_ / name);
      tasks.write(name, scratch_ / name);
      run({"calibrate", name, "-d", "tasks.txt", "-o", std::string(name) + ".octavo", "--ablations", "off"});
    }
    run({"embed", "-m", "bert.octavo", "-p", "hello", "-p", "b x", "-o", "two.npy"});
    Tensor ids(DType::s32, {1, 4}), labels(DType::s32, {1, 4});
    std::ranges::copy(std::vector<std::int32_t>{2, 4, 9, 3}, ids.writable<std::int32_t>().begin());
    std::ranges::copy(std::vector<std::int32_t>{-100, 7, 8, -100}, labels.writable<std::int32_t>().begin());
    write_safetensors(scratch_ / "masks.safetensors", {{"input_ids", ids}, {"labels", labels}}, {});
    labels.writable<std::int32_t>()[2] = -100;
    write_safetensors(scratch_ / "fewer.safetensors", {{"input_ids", ids}, {"labels", labels}}, {});
    run({"calibrate", "vit", "-d", "pictures", "-o", "vit.octavo", "--ablations", "off"});
  }

  /// Runs a command in the scratch folder; what it writes to m.octavo counts as its answer.
  Ran run(const Words& words) const {
    const std::filesystem::path before = std::filesystem::current_path();
    std::filesystem::current_path(scratch_.TemporaryDirectory::path());
    std::filesystem::remove("m.octavo");
    Ran result;
    {
      const Redirect out(STDOUT_FILENO, "out.captured"), err(STDERR_FILENO, "err.captured");
      result.code = run_here(words);
    }
    result.out = read_bytes(std::filesystem::exists("m.octavo") ? "m.octavo" : "out.captured");
    result.err = read_bytes("err.captured");
    std::filesystem::current_path(before);
    return result;
  }

  /// Where they are.
  std::string folder() const { return scratch_.TemporaryDirectory::path().string(); }

 private:
  static int run_here(const Words& words) {
    try {
      for (const Command* command : all_commands()) {
        if (words[0] != command->name) continue;
        std::vector<const char*> pointers;
        for (const std::string& word : words) pointers.push_back(word.c_str());
        return command->run(parse(command->syntax(), static_cast<int>(pointers.size()), pointers.data()));
      }
    } catch (const UsageError& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 2;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    return 1;
  }

  void write_picture(const std::string& name, int shade) const {
    std::string bytes = "P6 32 32 255\n";
    for (int i = 0; i < 32 * 32 * 3; ++i) bytes += static_cast<char>((i * 7 + shade * 31) & 127);
    scratch_.write(name, bytes);
  }

  Scratch scratch_;
};

}  // namespace octavo::test
