// `octavo calibrate` for programs: flags come as a JSON object, samples from memory, the report as an object.
#include "commands/calibration/calibrate.h"

#include "c/arguments.h"
#include "c/handles.h"
#include "commands/commands.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace octavo::c {
namespace {

using nlohmann::json;

/// Texts as a file of lines that only this process sees, since a calibration reads files.
class SampleFile {
 public:
  explicit SampleFile(const Texts& texts) : descriptor_(::memfd_create("samples", MFD_CLOEXEC)) {
    if (descriptor_ < 0) throw Error(std::string("cannot make a file in memory: ") + std::strerror(errno));
    std::string line;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      line = texts[i];
      std::ranges::replace_if(
          line, [](char c) { return c == '\n' || c == '\r'; }, ' ');
      write(line + "\n");
    }
  }
  ~SampleFile() { ::close(descriptor_); }
  SampleFile(const SampleFile&) = delete;
  SampleFile& operator=(const SampleFile&) = delete;

  std::string name() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  void write(std::string_view text) {
    while (!text.empty()) {
      const ::ssize_t written = ::write(descriptor_, text.data(), text.size());
      if (written < 0) throw Error(std::string("cannot keep the samples: ") + std::strerror(errno));
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  int descriptor_;
};

/// A message with what the samples are called in place of their file.
std::string with_name(std::string message, const std::string& file) {
  for (std::size_t at = 0; !file.empty() && (at = message.find(file, at)) != std::string::npos;)
    message.replace(at, file.size(), "samples");
  return message;
}

std::string value_of(const json& value, const std::string& name) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "on" : "off";
  if (value.is_number()) return value.dump();
  if (!value.is_array())
    throw InvalidArgument("options: " + name + " is " + value.dump() + ", expected a flag's value");
  std::string list;
  for (const json& each : value) list += (list.empty() ? "" : ",") + value_of(each, name);
  return list;
}

/// The words of a command line.
std::vector<std::string> words_of(const char* options, const tools::Syntax& syntax) {
  std::vector<std::string> words = {"calibrate"};
  if (options == nullptr) return words;
  const json object = json::parse(options, nullptr, false);
  if (!object.is_object()) throw InvalidArgument("options is no JSON object");
  for (const auto& item : object.items()) {
    const std::string& name = item.key();
    for (const char* own : {"data", "output", "report", "json", "verbose", "quiet", "help"}) {
      if (name == own) throw InvalidArgument("options: " + name + " is none of them here");
    }
    const auto is_flag = [&](const tools::Flag& flag) {
      return flag.names == name || (flag.names.size() > 2 && flag.names[1] == ',' && flag.names.substr(2) == name);
    };
    if (std::ranges::none_of(syntax.flags, is_flag)) throw InvalidArgument("options: there is no " + name);
    if (!item.value().is_null()) words.push_back("--" + name + "=" + value_of(item.value(), name));
  }
  return words;
}

tools::Arguments arguments_of(const char* checkpoint, const char* options, const char* output,
                              const std::string& samples) {
  tools::Syntax syntax = tools::kCalibrate.syntax();
  syntax.environment = false;
  std::vector<std::string> words = words_of(options, syntax);
  words.push_back("--output=" + std::string(output));
  if (!samples.empty()) words.push_back("--data=" + samples);
  words.insert(words.end(), {"--", checkpoint});
  std::vector<const char*> pointers;
  for (const std::string& word : words) pointers.push_back(word.c_str());
  return tools::parse(syntax, static_cast<int>(pointers.size()), pointers.data());
}

tools::Log log_to(octavo_progress progress, void* user, const std::string& samples) {
  const auto tell = [progress, user](const std::string& what, double fraction) {
    if (progress != nullptr && progress(user, what.c_str(), fraction) != 0) throw Cancelled();
  };
  return tools::Log(tools::LogSinks{
      .say = [tell, samples](const std::string& line) { tell(with_name(line, samples), -1.0); }, .progress = tell});
}

}  // namespace
}  // namespace octavo::c

using namespace octavo::c;

octavo_status octavo_calibrate(const char* checkpoint, const octavo_texts* samples, const char* options,
                               const char* output, octavo_progress progress, void* user, octavo_report** report) {
  return guarded([&] {
    if (report != nullptr) *report = nullptr;
    require(checkpoint, "checkpoint");
    require(output, "output");
    std::optional<SampleFile> file;
    if (samples != nullptr) file.emplace(Texts(samples, "samples"));
    const std::string name = file ? file->name() : "";
    try {
      const octavo::tools::CalibrationReport made =
          octavo::tools::calibrate(arguments_of(checkpoint, options, output, name), log_to(progress, user, name));
      if (report == nullptr) return;
      *report =
          new octavo_report{octavo::tools::to_json(made), octavo::tools::to_text(made), octavo::tools::to_html(made)};
    } catch (const octavo::Error& error) {
      throw octavo::Error(with_name(error.what(), name));
    }
  });
}
