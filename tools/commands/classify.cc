// `octavo classify`: the likeliest classes of each text or picture, whichever the model takes.
#include "commands/classify.h"

#include "commands/commands.h"
#include "data/open_model.h"

#include <initializer_list>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"image",
       "a picture (JPEG, PNG, WebP, GIF, BMP, TIFF, PPM) or a folder of them; may be repeated, and more may follow as "
       "plain words",
       "FILE"},
      {"p,prompt", "a text, or two with a tab between them; may be repeated", "TEXT"},
      {"f,file",
       "texts, one per line, with a tab between a pair; of a model of pictures, pictures or folders; - is standard "
       "input",
       "FILE"},
      {"column", "tab-separated column (1, 2, ...) that holds the text; 1,2 is a pair", "N"},
      {"top-k",
       "classes printed of each; by default 5 for pictures, 1 for texts, and all where several classes may be true of "
       "a "
       "text at once",
       "N"},
      {"candidates", "classes of your own, with commas between them; the model is one of natural language inference",
       "WORDS"},
      {"hypothesis", "what such a class says of a text; {} stands for the class", "TEXT", "This example is {}."},
      {"multi-label", "several of these classes may be true of a text at once"},
      {"labels",
       "what is right. Of texts: a tab-separated column of the file, by number or by its name in a first line of "
       "headings; prints accuracy, or of numbers the correlation. Of pictures: a .tsv of pictures and classes; prints "
       "how often the first one, and one of five, is right",
       "N|FILE"},
  };
  return {.usage = "-m MODEL (-p TEXT | --image FILE... | -f FILE)... [OPTION...]",
          .about =
              "Prints the likeliest classes of each text or pair of texts, best first: class, score, text; or of each\n"
              "picture: picture, number of the class, score, class; separated by tabs. A folder stands for the\n"
              "pictures in it. A picture that cannot be read is an error line; the others are answered, and the exit\n"
              "code is then 1.",
          .example = "octavo classify -m sentiments.octavo -p \"What a waste of two hours!\"",
          .flags = join({model_flags(), own, run_flags(), max_length_flags(), output_flags(), verbosity_flags()}),
          .max_positionals = 1 << 20,
          .rules = {{{"prompt", "column", "max-length", "candidates"}, Rule::When::beside, "image"},
                    {{"hypothesis", "multi-label"}, Rule::When::without, "candidates"},
                    {{"labels"}, Rule::When::beside, "multi-label"}}};
}

ClassifySettings read_settings(const Arguments& arguments) {
  ClassifySettings settings;
  settings.run = read_run_options(arguments);
  if (const auto count = arguments.integer("top-k", 1, 1'000'000)) settings.top_k = static_cast<int>(*count);
  settings.json = arguments.on("json");
  settings.output = read_output(arguments);
  return settings;
}

void refuse(const Arguments& arguments, std::initializer_list<const char*> flags, const char* takes) {
  for (const char* flag : flags) {
    if (arguments.given(flag)) {
      throw UsageError("--" + std::string(flag) + " has no effect on --model " + *arguments.text("model") +
                       ", which takes " + takes);
    }
  }
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const std::string path = arguments.required("model");
  const ClassifySettings settings = read_settings(arguments);
  if (!arguments.text("prompt") && !arguments.text("image") && !arguments.text("file") &&
      arguments.positionals().empty())
    throw UsageError("no input: --prompt, --image or --file is missing");
  Engine engine(open_model(path, log), {.isa = settings.run.isa});
  if (engine.model().info().image) {
    refuse(arguments, {"prompt", "column", "max-length", "candidates"}, "pictures");
    classify_pictures(arguments, settings, std::move(engine), log);
  } else {
    refuse(arguments, {"image"}, "texts");
    if (!arguments.positionals().empty())
      throw UsageError("'" + arguments.positionals()[0] + "' stands alone, expected -p TEXT or -f FILE");
    classify_texts(arguments, settings, std::move(engine), log);
  }
  return 0;
}

}  // namespace

constinit const Command kClassify = {"classify", "the classes of texts, pairs of texts or pictures", syntax, run};

}  // namespace octavo::tools
