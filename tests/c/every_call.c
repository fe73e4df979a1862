/* Every function of octavo.h, called as C calls it, on small models; compiled as C99 and as C++.
 * Usage: every_call FOLDER, of models as tests/tools/tiny_models.h makes them. Prints the numbers of two embeddings. */
#include <octavo/octavo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "line %d: %s; last error: %s\n", __LINE__, #condition, octavo_last_error()); \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

/* The call fails with this status and a message that holds these words. */
#define REFUSES(call, status, words)                     \
  do {                                                   \
    CHECK((call) == (status));                           \
    CHECK(strstr(octavo_last_error(), (words)) != NULL); \
  } while (0)

static const char* folder;

/* Zeros but for the size: the defaults. */
#define OPTIONS(type, name)      \
  type name;                     \
  memset(&name, 0, sizeof name); \
  name.struct_size = sizeof name

static octavo_string string_of(const char* text) {
  octavo_string result;
  result.data = text;
  result.length = text == NULL ? 0 : strlen(text);
  return result;
}

static octavo_texts texts_of(const char* const* texts, size_t count) {
  OPTIONS(octavo_texts, result);
  result.count = count;
  result.pointers = texts;
  return result;
}

static octavo_model* open_model(const char* name) {
  char path[4096];
  octavo_model* model = NULL;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  CHECK(octavo_model_open(path, NULL, &model) == OCTAVO_OK);
  return model;
}

static octavo_session* open_session(const char* name) {
  octavo_model* model = open_model(name);
  octavo_session* session = NULL;
  OPTIONS(octavo_session_options, options);
  options.threads = 2;
  CHECK(octavo_session_create(model, &options, &session) == OCTAVO_OK);
  octavo_model_release(model); /* the session is an owner */
  return session;
}

static void check_machine(void) {
  const char* json = NULL;
  CHECK(strcmp(octavo_last_error(), "") == 0);
  CHECK(strchr(octavo_version(), '.') != NULL);
  CHECK(octavo_cpu_info(&json) == OCTAVO_OK && strstr(json, "\"scalar\"") != NULL);
  REFUSES(octavo_cpu_info(NULL), OCTAVO_INVALID_ARGUMENT, "json is NULL");
}

static void check_models(void) {
  octavo_model* model = open_model("entities");
  octavo_model* none = model;
  const char* json = NULL;
  const char* const* labels = NULL;
  size_t count = 0;
  char path[4096];
  OPTIONS(octavo_model_options, options);
  CHECK(octavo_model_info(model, &json) == OCTAVO_OK);
  CHECK(strstr(json, "\"task\":\"token_classification\"") != NULL && strstr(json, "\"nodes\"") == NULL);
  CHECK(octavo_model_labels(model, &labels, &count) == OCTAVO_OK && count > 1 && labels[0] != NULL);
  octavo_model_release(octavo_model_retain(model));
  octavo_model_release(model);
  octavo_model_release(NULL);
  octavo_session_free(NULL);
  octavo_result_free(NULL);
  octavo_report_free(NULL);
  REFUSES(octavo_model_open("nowhere.octavo", NULL, &none), OCTAVO_NOT_FOUND, "nowhere.octavo");
  CHECK(none == NULL);
  snprintf(path, sizeof path, "%s/texts.txt", folder);
  REFUSES(octavo_model_open(path, NULL, &none), OCTAVO_ERROR, "texts.txt");
  snprintf(path, sizeof path, "%s/bert.octavo", folder);
  options.isa = string_of("sse");
  REFUSES(octavo_model_open(path, &options, &none), OCTAVO_INVALID_ARGUMENT, "isa is 'sse'");
  options.isa = string_of("scalar");
  options.mapped = 1;
  CHECK(octavo_model_open(path, &options, &none) == OCTAVO_OK);
  octavo_model_release(none);
  options.struct_size = 1;
  REFUSES(octavo_model_open(path, &options, &none), OCTAVO_INVALID_ARGUMENT, "struct_size is 1");
}

static void check_struct_sizes(octavo_session* session, const octavo_texts* texts) {
  struct {
    octavo_embed_options known;
    int64_t later;
  } newer;
  float out[2 * 48];
  OPTIONS(octavo_embed_options, older);
  memset(&newer, 0, sizeof newer);
  newer.known.struct_size = sizeof newer;
  CHECK(octavo_embed(session, texts, &newer.known, out, 96) == OCTAVO_OK);
  newer.later = 1;
  REFUSES(octavo_embed(session, texts, &newer.known, out, 96), OCTAVO_INVALID_ARGUMENT, "does not know");
  older.struct_size = offsetof(octavo_embed_options, truncate_dim);
  older.truncate_dim = 100000; /* behind the end of what this caller has */
  CHECK(octavo_embed(session, texts, &older, out, 96) == OCTAVO_OK);
}

static void check_embed(void) {
  static const char* const two[] = {"hello", "b x"};
  static const int64_t offsets[] = {0, 5, 8};
  static const int32_t offsets32[] = {0, 5, 8}, falling[] = {0, 5, 4};
  octavo_session* session = open_session("bert.octavo");
  octavo_model* model = open_model("bert.octavo");
  octavo_texts texts = texts_of(two, 2);
  float out[2 * 48], arrow[2 * 48];
  signed char rounded[2 * 48];
  size_t columns = 0, i;
  octavo_result* tokens = NULL;
  OPTIONS(octavo_embed_options, options);
  OPTIONS(octavo_texts, flat);
  CHECK(octavo_embedding_size(model, NULL, &columns) == OCTAVO_OK && columns == 48);
  CHECK(octavo_embed(session, &texts, NULL, out, 96) == OCTAVO_OK);
  for (i = 0; i < 96; ++i) printf("%a\n", (double)out[i]);
  flat.count = 2;
  flat.bytes = "hellob x";
  flat.offsets = offsets;
  CHECK(octavo_embed(session, &flat, NULL, arrow, 96) == OCTAVO_OK && memcmp(out, arrow, sizeof out) == 0);
  flat.offsets = NULL;
  REFUSES(octavo_embed(session, &flat, NULL, arrow, 96), OCTAVO_INVALID_ARGUMENT, "texts");
  flat.offsets32 = offsets32;
  CHECK(octavo_embed(session, &flat, NULL, arrow, 96) == OCTAVO_OK && memcmp(out, arrow, sizeof out) == 0);
  flat.offsets32 = falling;
  REFUSES(octavo_embed(session, &flat, NULL, arrow, 96), OCTAVO_INVALID_ARGUMENT, "texts.offsets[2] is 4");
  REFUSES(octavo_embed(session, &texts, NULL, out, 95), OCTAVO_INVALID_ARGUMENT, "out_count is 95");
  REFUSES(octavo_embed(session, NULL, NULL, out, 96), OCTAVO_INVALID_ARGUMENT, "texts is NULL");
  REFUSES(octavo_embed(NULL, &texts, NULL, out, 96), OCTAVO_INVALID_ARGUMENT, "session is NULL");
  texts.count = 0;
  CHECK(octavo_embed(session, &texts, NULL, NULL, 0) == OCTAVO_OK);
  texts.count = 2;
  check_struct_sizes(session, &texts);
  options.truncate_dim = 49;
  REFUSES(octavo_embedding_size(model, &options, &columns), OCTAVO_INVALID_ARGUMENT, "truncate_dim is 49");
  options.truncate_dim = -1;
  REFUSES(octavo_embed(session, &texts, &options, out, 96), OCTAVO_INVALID_ARGUMENT, "truncate_dim is -1");
  options.truncate_dim = 0;
  options.prompt_name = string_of("query");
  REFUSES(octavo_embed(session, &texts, &options, out, 96), OCTAVO_INVALID_ARGUMENT, "query");
  options.prompt = string_of("x ");
  options.normalize = OCTAVO_OFF;
  CHECK(octavo_embed(session, &texts, &options, arrow, 96) == OCTAVO_OK && memcmp(out, arrow, sizeof out) != 0);
  CHECK(octavo_quantize_embeddings(out, 2, 48, OCTAVO_INT8, NULL, NULL, rounded, sizeof rounded) == OCTAVO_OK);
  CHECK(octavo_quantize_embeddings(out, 2, 48, OCTAVO_UBINARY, NULL, NULL, rounded, 12) == OCTAVO_OK);
  REFUSES(octavo_quantize_embeddings(out, 2, 48, OCTAVO_UBINARY, NULL, NULL, rounded, 11), OCTAVO_INVALID_ARGUMENT,
          "out_bytes is 11");
  CHECK(octavo_embed_tokens(session, &texts, NULL, &tokens) == OCTAVO_OK);
  CHECK(octavo_result_count(tokens) == 2 && octavo_result_offsets(tokens)[2] > 4);
  CHECK(octavo_result_vectors(tokens, &columns) != NULL && columns == 48);
  CHECK(octavo_result_scores(tokens) == NULL && octavo_result_labels(tokens, NULL) == NULL);
  octavo_result_free(tokens);
  REFUSES(octavo_embed_tokens(session, &texts, &options, &tokens), OCTAVO_INVALID_ARGUMENT, "normalize");
  REFUSES(octavo_embed_sparse(session, &texts, NULL, &tokens), OCTAVO_ERROR, "masked");
  octavo_session_free(session);
  octavo_model_release(model);
}

static void check_classes(void) {
  static const char* const two[] = {"Maria lives in Berlin ?", "a cat"};
  static const char* const seconds[] = {"the cat sat", "a river"};
  octavo_session* session = open_session("entailment.octavo");
  octavo_session* reranker;
  octavo_texts texts = texts_of(two, 2), pairs = texts_of(seconds, 2), candidates = texts_of(seconds, 2);
  octavo_result* result = NULL;
  const int64_t* offsets = NULL;
  OPTIONS(octavo_classify_options, options);
  OPTIONS(octavo_rank_options, ranking);
  options.top_k = 3;
  CHECK(octavo_classify(session, &texts, &pairs, &options, &result) == OCTAVO_OK);
  CHECK(octavo_result_count(result) == 2 && octavo_result_offsets(result)[2] == 6);
  CHECK(octavo_result_scores(result)[0] >= octavo_result_scores(result)[1] && octavo_result_ids(result) != NULL);
  CHECK(octavo_result_labels(result, &offsets) != NULL && offsets[1] > 0);
  octavo_result_free(result);
  options.function_to_apply = OCTAVO_SCORE_FUNCTION_NONE + 1;
  REFUSES(octavo_classify(session, &texts, &pairs, &options, &result), OCTAVO_INVALID_ARGUMENT, "function_to_apply");
  options.function_to_apply = OCTAVO_SCORE_FUNCTION_NONE;
  CHECK(octavo_classify(session, &texts, &pairs, &options, &result) == OCTAVO_OK);
  CHECK(octavo_result_scores(result)[0] + octavo_result_scores(result)[1] + octavo_result_scores(result)[2] != 1.0f);
  octavo_result_free(result);
  options.candidates = &candidates;
  REFUSES(octavo_classify(session, &texts, NULL, &options, &result), OCTAVO_INVALID_ARGUMENT, "function_to_apply");
  options.function_to_apply = 0;
  options.hypothesis = string_of("This is {} .");
  REFUSES(octavo_classify(session, &texts, &pairs, &options, &result), OCTAVO_INVALID_ARGUMENT, "exclude");
  CHECK(octavo_classify(session, &texts, NULL, &options, &result) == OCTAVO_OK);
  CHECK(octavo_result_offsets(result)[2] == 4);
  octavo_result_free(result);
  pairs.count = 1;
  REFUSES(octavo_classify(session, &texts, &pairs, NULL, &result), OCTAVO_INVALID_ARGUMENT, "pairs.count is 1");
  REFUSES(octavo_tag(session, &texts, NULL, &result), OCTAVO_ERROR, "");
  octavo_session_free(session);
  reranker = open_session("identity.octavo");
  ranking.top_k = 1;
  CHECK(octavo_rank(reranker, string_of("a river"), &texts, &ranking, &result) == OCTAVO_OK);
  CHECK(octavo_result_offsets(result)[1] == 1 && octavo_result_ids(result)[0] >= 0);
  octavo_result_free(result);
  REFUSES(octavo_rank(reranker, string_of(NULL), &texts, &ranking, &result), OCTAVO_INVALID_ARGUMENT, "query");
  octavo_session_free(reranker);
}

static void check_text_tasks(void) {
  static const char* const one[] = {"Maria lives in Berlin ."};
  static const char* const asked[] = {"where is it ?"};
  static const char* const masked[] = {"Maria lives in [MASK] ."};
  static const char* const words[] = {"berlin", "cat"};
  octavo_texts texts = texts_of(one, 1), questions = texts_of(asked, 1), holes = texts_of(masked, 1);
  octavo_texts targets = texts_of(words, 2);
  octavo_session* session = open_session("entities.octavo");
  octavo_model* model = open_model("bert.octavo");
  octavo_result* result = NULL;
  OPTIONS(octavo_tag_options, tagging);
  OPTIONS(octavo_answer_options, answering);
  OPTIONS(octavo_fill_mask_options, filling);
  OPTIONS(octavo_tokenize_options, cutting);
  tagging.aggregation = OCTAVO_AGGREGATION_NONE;
  tagging.stride = -1;
  CHECK(octavo_tag(session, &texts, &tagging, &result) == OCTAVO_OK && octavo_result_count(result) == 1);
  octavo_result_free(result);
  tagging.aggregation = 9;
  REFUSES(octavo_tag(session, &texts, &tagging, &result), OCTAVO_INVALID_ARGUMENT, "aggregation is 9");
  octavo_session_free(session);
  session = open_session("questions.octavo");
  answering.top_k = 2;
  CHECK(octavo_answer(session, &questions, &texts, &answering, &result) == OCTAVO_OK);
  CHECK(octavo_result_offsets(result)[1] >= 1 && octavo_result_texts(result, NULL) != NULL);
  CHECK(octavo_result_ends(result)[0] > octavo_result_starts(result)[0]);
  octavo_result_free(result);
  answering.max_length = 3;
  REFUSES(octavo_answer(session, &questions, &texts, &answering, &result), OCTAVO_ERROR, "");
  octavo_session_free(session);
  session = open_session("masks.octavo");
  filling.top_k = 2;
  filling.targets = &targets;
  CHECK(octavo_fill_mask(session, &holes, &filling, &result) == OCTAVO_OK && octavo_result_offsets(result)[1] == 2);
  octavo_result_free(result);
  REFUSES(octavo_fill_mask(session, &texts, &filling, &result), OCTAVO_INVALID_ARGUMENT, "texts[0] has no [MASK]");
  CHECK(octavo_embed_sparse(session, &texts, NULL, &result) == OCTAVO_OK && octavo_result_count(result) == 1);
  octavo_result_free(result);
  octavo_session_free(session);
  cutting.max_length = 3;
  CHECK(octavo_tokenize(model, &texts, NULL, &cutting, &result) == OCTAVO_OK && octavo_result_offsets(result)[1] == 3);
  octavo_result_free(result);
  CHECK(octavo_tokenize(model, &texts, &questions, NULL, &result) == OCTAVO_OK && octavo_result_texts(result, NULL));
  octavo_result_free(result);
  octavo_model_release(model);
}

static void check_images(void) {
  unsigned char pixels[16 * 16 * 3];
  const void* data[1];
  size_t sizes[1] = {sizeof pixels};
  int32_t edges[1] = {16};
  float out[1024];
  size_t columns = 0;
  octavo_result* result = NULL;
  octavo_session* session = open_session("vit");
  octavo_model* model = open_model("vit");
  OPTIONS(octavo_images, images);
  OPTIONS(octavo_classify_images_options, options);
  memset(pixels, 100, sizeof pixels);
  data[0] = pixels;
  images.count = 1;
  images.data = data;
  images.sizes = sizes;
  images.widths = images.heights = edges;
  options.top_k = 1;
  CHECK(octavo_classify_images(session, &images, &options, &result) == OCTAVO_OK);
  CHECK(octavo_result_offsets(result)[1] == 1);
  octavo_result_free(result);
  CHECK(octavo_embedding_size(model, NULL, &columns) == OCTAVO_OK && columns <= 1024);
  CHECK(octavo_embed_images(session, &images, NULL, out, columns) == OCTAVO_OK);
  sizes[0] = 5;
  REFUSES(octavo_classify_images(session, &images, NULL, &result), OCTAVO_INVALID_ARGUMENT, "images[0] is 16 x 16");
  images.widths = images.heights = NULL;
  REFUSES(octavo_classify_images(session, &images, NULL, &result), OCTAVO_ERROR, "images[0]");
  octavo_session_free(session);
  octavo_model_release(model);
}

static int count_piece(void* user, const char* text, size_t length) {
  CHECK(text != NULL && length > 0);
  return ++*(int*)user < 0;
}

static int stop_at_once(void* user, const char* text, size_t length) {
  (void)user, (void)text, (void)length;
  return 1;
}

static void check_text_that_is_made(void) {
  octavo_session* session = open_session("opt.octavo");
  octavo_session* masks = open_session("masks.octavo");
  int pieces = 0;
  OPTIONS(octavo_generate_options, options);
  OPTIONS(octavo_generation, made);
  OPTIONS(octavo_perplexity_options, blocks);
  OPTIONS(octavo_perplexity_result, scored);
  options.max_new_tokens = 4;
  CHECK(octavo_generate(session, string_of("hello"), &options, count_piece, &pieces, &made) == OCTAVO_OK);
  CHECK(pieces > 0 && made.tokens == 4 && made.finish == OCTAVO_FINISH_LENGTH && made.prompt_tokens > 1);
  CHECK(octavo_generate(session, string_of("hello"), &options, NULL, NULL, NULL) == OCTAVO_OK);
  REFUSES(octavo_generate(session, string_of("a"), &options, stop_at_once, NULL, NULL), OCTAVO_CANCELLED, "cancelled");
  options.top_k = 3;
  REFUSES(octavo_generate(session, string_of("a"), &options, NULL, NULL, NULL), OCTAVO_INVALID_ARGUMENT, "temperature");
  REFUSES(octavo_generate(masks, string_of("a"), NULL, NULL, NULL, NULL), OCTAVO_ERROR, "next token");
  CHECK(octavo_perplexity(session, string_of("hello there"), NULL, &scored) == OCTAVO_OK);
  CHECK(scored.perplexity > 1.0 && scored.tokens > 2 && scored.blocks == 1);
  blocks.pseudo = 1;
  REFUSES(octavo_perplexity(session, string_of("hello"), &blocks, &scored), OCTAVO_INVALID_ARGUMENT, "pseudo");
  CHECK(octavo_perplexity(masks, string_of("Maria lives in Berlin ."), &blocks, &scored) == OCTAVO_OK);
  CHECK(scored.top1 >= 0.0 && scored.tokens >= 4);
  octavo_session_free(session);
  octavo_session_free(masks);
}

static int hear(void* user, const char* stage, double fraction) {
  CHECK(stage != NULL && fraction <= 1.0);
  return ++*(int*)user > 1000000;
}

static int refuse(void* user, const char* stage, double fraction) {
  (void)user, (void)stage;
  return fraction >= 0.0;
}

static void check_calibration(void) {
  static const char* const samples[] = {"a b c", "hello ! x\ne", "Hello un", "a a b", "b x e", "c c", "x", "hello b"};
  octavo_texts texts = texts_of(samples, 8);
  octavo_report* report = NULL;
  char checkpoint[4096], output[4096];
  const char* on = "{\"top-up\": false, \"ablations\": \"off\", \"method\": \"mse\", \"samples\": 8}";
  int heard = 0;
  snprintf(checkpoint, sizeof checkpoint, "%s/bert", folder);
  snprintf(output, sizeof output, "%s/from_c.octavo", folder);
  CHECK(octavo_calibrate(checkpoint, &texts, on, output, hear, &heard, &report) == OCTAVO_OK);
  CHECK(heard > 1 && strstr(octavo_report_json(report), "\"samples\"") != NULL);
  CHECK(strstr(octavo_report_html(report), "<html") != NULL && strlen(octavo_report_text(report)) > 10);
  octavo_report_free(report);
  octavo_session_free(open_session("from_c.octavo"));
  REFUSES(octavo_calibrate(checkpoint, &texts, on, output, refuse, NULL, NULL), OCTAVO_CANCELLED, "cancelled");
  REFUSES(octavo_calibrate(checkpoint, &texts, "{\"speed\": 3}", output, NULL, NULL, NULL), OCTAVO_INVALID_ARGUMENT,
          "speed");
  REFUSES(octavo_calibrate(checkpoint, &texts, "{\"method\": \"best\"}", output, NULL, NULL, NULL),
          OCTAVO_INVALID_ARGUMENT, "--method is 'best'");
  REFUSES(octavo_calibrate(checkpoint, &texts, "[]", output, NULL, NULL, NULL), OCTAVO_INVALID_ARGUMENT, "options");
  texts.count = 0;
  REFUSES(octavo_calibrate(checkpoint, &texts, on, output, NULL, NULL, NULL), OCTAVO_ERROR, "samples");
}

int main(int argc, char** argv) {
  static const char* const version[] = {"octavo", "no-such-command"};
  if (argc != 2) return 2;
  folder = argv[1];
  check_machine();
  check_models();
  check_embed();
  check_classes();
  check_text_tasks();
  check_images();
  check_text_that_is_made();
  check_calibration();
  CHECK(octavo_command(2, version) == 2);
  return 0;
}
