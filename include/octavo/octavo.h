/* octavo from C, and from every language that can call C: liboctavo.so.0.
 *
 * - Every function with an octavo_status says how it went; octavo_last_error() has the sentence. Nothing prints, throws
 *   or ends the process, but for octavo_command().
 * - Structs begin with their size. In them 0, NULL and an octavo_string without data stand for the default, so
 *       octavo_embed_options options = {.struct_size = sizeof options, .truncate_dim = 128};
 *   says all there is to say, and NULL in place of options means defaults. Structs grow at their end: a newer library
 *   reads the smaller structs of programs that were built before, and an older one refuses what it does not know.
 * - Texts are UTF-8; ill-formed bytes are read as U+FFFD. Places in texts are counted in characters (code points),
 *   those of octavo_tokenize() in bytes.
 * - A model is immutable and shared between threads. A session is one caller's threads and buffers: for one call at a
 *   time. What comes of an input never depends on the other inputs, on batches, on threads or on the instruction set.
 * - Neither survives fork() with more than one thread: a child may use a model that was opened before, but makes
 *   sessions of its own and does not free those of its parent.
 */
#ifndef OCTAVO_OCTAVO_H
#define OCTAVO_OCTAVO_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define OCTAVO_API __attribute__((visibility("default")))
#else
#define OCTAVO_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Errors and versions ------------------------------------------------------------------------------------- */

typedef enum octavo_status {
  OCTAVO_OK = 0,
  OCTAVO_INVALID_ARGUMENT = 1, /* what was passed is wrong, whatever the model; the message names it */
  OCTAVO_NOT_FOUND = 2,        /* there is no such file or directory */
  OCTAVO_ERROR = 3,            /* a file is bad, or a model cannot do what is asked of it */
  OCTAVO_OUT_OF_MEMORY = 4,
  OCTAVO_CANCELLED = 5, /* a callback asked for it */
  OCTAVO_INTERNAL = 6   /* a fault of octavo's */
} octavo_status;

/* The sentence of this thread's last call that failed: what was found, and what was expected. Stays until the thread's
 * next call that fails; "" before the first. */
OCTAVO_API const char* octavo_last_error(void);

/* MAJOR.MINOR.PATCH of the library that runs. */
OCTAVO_API const char* octavo_version(void);

/* One JSON object: version, cpu, threads (as many as affinity and control groups allow), isas: what this machine can
 * run and why it cannot run the others. Stays as long as the program runs. */
OCTAVO_API octavo_status octavo_cpu_info(const char** json);

/* ---- What goes in -------------------------------------------------------------------------------------------- */

/* A text; without data: none is given. */
typedef struct octavo_string {
  const char* data;
  size_t length;
} octavo_string;

/* Texts, in one of three forms. */
typedef struct octavo_texts {
  size_t struct_size;
  size_t count;
  const char* const* pointers; /* a pointer for each, and */
  const size_t* lengths;       /* its bytes; NULL: each ends with a NUL */
  const char* bytes;        /* or, where `pointers` is NULL, Arrow's: text i is bytes[offsets[i] .. offsets[i + 1]) */
  const int64_t* offsets;   /* count + 1, of a LargeUtf8 array, */
  const int32_t* offsets32; /* or those of a Utf8 array */
} octavo_texts;

/* Pictures: files' bytes (JPEG, PNG, WebP, GIF, BMP, TIFF, PPM), or pixels. */
typedef struct octavo_images {
  size_t struct_size;
  size_t count;
  const void* const* data; /* a pointer for each, and */
  const size_t* sizes;     /* its bytes */
  const int32_t* widths;   /* NULL: `data` are files; else RGB, row by row, three bytes per pixel */
  const int32_t* heights;
} octavo_images;

/* On, off, or as the checkpoint says. */
typedef enum octavo_switch { OCTAVO_DEFAULT = 0, OCTAVO_ON = 1, OCTAVO_OFF = 2 } octavo_switch;

/* ---- Models and sessions ------------------------------------------------------------------------------------- */

typedef struct octavo_model octavo_model;
typedef struct octavo_session octavo_session;

typedef struct octavo_model_options {
  size_t struct_size;
  octavo_string isa; /* the best instruction set to use, one that octavo_cpu_info() lists; by default the best */
  int32_t mapped;    /* 1: processes share the file's pages, and it must stay as it is; 0: it is read, which is faster
                        for decoders, and safe whatever becomes of the file */
  int32_t reserved;  /* 0, here and below */
} octavo_model_options;

/* Opens a .octavo file, or a checkpoint directory, which then runs in float32 as the reference. */
OCTAVO_API octavo_status octavo_model_open(const char* path, const octavo_model_options* options, octavo_model** model);

/* Counts another owner, and gives the model. */
OCTAVO_API octavo_model* octavo_model_retain(octavo_model* model);

/* Counts one owner less; behind the last the model is gone. Sessions are owners, too. NULL is fine. */
OCTAVO_API void octavo_model_release(octavo_model* model);

/* One JSON object with facts: name, family, sizes, limits, task, labels, prompts, what runs, warnings. Stays as long as
 * the model. */
OCTAVO_API octavo_status octavo_model_info(octavo_model* model, const char** json);

/* The names of the classes, `count` of them, which stay as long as the model; 0 where the checkpoint has none. */
OCTAVO_API octavo_status octavo_model_labels(octavo_model* model, const char* const** labels, size_t* count);

typedef struct octavo_session_options {
  size_t struct_size;
  int32_t threads; /* the caller's included; by default as many as affinity and control groups allow */
  int32_t reserved;
} octavo_session_options;

/* Starts threads for a model; NULL options are the defaults. One call at a time works in a session. */
OCTAVO_API octavo_status octavo_session_create(octavo_model* model, const octavo_session_options* options,
                                               octavo_session** session);

/* Ends the threads. NULL is fine. */
OCTAVO_API void octavo_session_free(octavo_session* session);

/* ---- Embeddings ---------------------------------------------------------------------------------------------- */

typedef enum octavo_pooling {
  OCTAVO_POOLING_DEFAULT = 0, /* as the checkpoint says */
  OCTAVO_POOLING_MEAN = 1,
  OCTAVO_POOLING_CLS = 2,
  OCTAVO_POOLING_MAX = 3,
  OCTAVO_POOLING_MEAN_SQRT_LEN_TOKENS = 4,
  OCTAVO_POOLING_WEIGHTEDMEAN = 5,
  OCTAVO_POOLING_LASTTOKEN = 6,
  OCTAVO_POOLING_POOLER = 7 /* the checkpoint's pooled output */
} octavo_pooling;

typedef struct octavo_embed_options {
  size_t struct_size;
  octavo_string prompt;      /* stands before each text; "" for nothing */
  octavo_string prompt_name; /* of a prompt of the checkpoint; without effect where `prompt` is given */
  int32_t pooling;           /* octavo_pooling */
  int32_t normalize;         /* octavo_switch */
  int32_t truncate_dim;      /* so many numbers of each embedding are kept */
  int32_t max_length;        /* tokens that a text is cut to */
  int64_t batch_size;        /* most texts in a batch; 32 */
  int64_t max_batch_tokens;  /* most tokens in a batch of several texts; 16384 */
} octavo_embed_options;

/* How many numbers an embedding has. */
OCTAVO_API octavo_status octavo_embedding_size(octavo_model* model, const octavo_embed_options* options,
                                               size_t* columns);

/* Embeds each text: `out` gets [count, columns] numbers, row by row, and has room for `out_count`. */
OCTAVO_API octavo_status octavo_embed(octavo_session* session, const octavo_texts* texts,
                                      const octavo_embed_options* options, float* out, size_t out_count);

/* The same of pictures. */
OCTAVO_API octavo_status octavo_embed_images(octavo_session* session, const octavo_images* images,
                                             const octavo_embed_options* options, float* out, size_t out_count);

typedef enum octavo_precision {
  OCTAVO_INT8 = 1,
  OCTAVO_UINT8 = 2,
  OCTAVO_BINARY = 3, /* a bit per number, eight in a byte, less 128 */
  OCTAVO_UBINARY = 4 /* the same from 0 on */
} octavo_precision;

/* Rounds embeddings [rows, columns] as sentence-transformers does, to [rows, columns] bytes, or [rows, (columns + 7) /
 * 8] of bits. int8 and uint8 are steps from the `lowest` to the `highest` number of each column; NULL: of these. */
OCTAVO_API octavo_status octavo_quantize_embeddings(const float* embeddings, size_t rows, size_t columns,
                                                    octavo_precision precision, const float* lowest,
                                                    const float* highest, void* out, size_t out_bytes);

/* ---- Ragged answers ------------------------------------------------------------------------------------------ */

/* A table: input i has the rows offsets[i] .. offsets[i + 1] - 1 of each column.
 *
 *                          ids                 scores    labels       texts           starts, ends
 *   octavo_classify        class, candidate    yes       its name
 *   octavo_classify_images class               yes       its name
 *   octavo_rank            document            yes
 *   octavo_tag                                 yes       entity       what it says    characters
 *   octavo_answer                              yes                    the answer      characters of the context
 *   octavo_fill_mask       token               yes                    the token       the masked place, from 0, and +1
 *   octavo_tokenize        token                                      the token       bytes of the text
 *   octavo_embed_sparse    token               value
 *   octavo_embed_tokens    token, and octavo_result_vectors()
 */
typedef struct octavo_result octavo_result;

OCTAVO_API size_t octavo_result_count(const octavo_result* result);           /* of inputs */
OCTAVO_API const int64_t* octavo_result_offsets(const octavo_result* result); /* count + 1; the last is that of rows */
OCTAVO_API const int32_t* octavo_result_ids(const octavo_result* result);     /* these are NULL where there is none */
OCTAVO_API const float* octavo_result_scores(const octavo_result* result);
OCTAVO_API const int32_t* octavo_result_starts(const octavo_result* result);
OCTAVO_API const int32_t* octavo_result_ends(const octavo_result* result);
OCTAVO_API const float* octavo_result_vectors(const octavo_result* result, size_t* columns);

/* Texts in Arrow's form: row i is bytes[offsets[i] .. offsets[i + 1]), without a NUL. */
OCTAVO_API const char* octavo_result_labels(const octavo_result* result, const int64_t** offsets);
OCTAVO_API const char* octavo_result_texts(const octavo_result* result, const int64_t** offsets);

/* NULL is fine. */
OCTAVO_API void octavo_result_free(octavo_result* result);

/* The vector of each token, before pooling; normalize, pooling and truncate_dim are refused. */
OCTAVO_API octavo_status octavo_embed_tokens(octavo_session* session, const octavo_texts* texts,
                                             const octavo_embed_options* options, octavo_result** result);

/* Sparse embeddings (SPLADE) of a model that predicts masked tokens; of the options, those of texts and batches. */
OCTAVO_API octavo_status octavo_embed_sparse(octavo_session* session, const octavo_texts* texts,
                                             const octavo_embed_options* options, octavo_result** result);

typedef enum octavo_score_function {
  OCTAVO_SCORE_FUNCTION_DEFAULT = 0, /* as the checkpoint says */
  OCTAVO_SCORE_FUNCTION_SOFTMAX = 1,
  OCTAVO_SCORE_FUNCTION_SIGMOID = 2,
  OCTAVO_SCORE_FUNCTION_NONE = 3 /* scores are the logits */
} octavo_score_function;

typedef struct octavo_classify_options {
  size_t struct_size;
  int32_t top_k;      /* classes of each input; by default 1, or all where several may be true at once */
  int32_t max_length; /* tokens that an input is cut to */
  int64_t batch_size, max_batch_tokens;
  const octavo_texts* candidates; /* classes of your own, of a model of natural language inference */
  octavo_string hypothesis;       /* with {} for a candidate; "This example is {}." */
  int32_t multi_label;            /* 1: several candidates may be true at once */
  int32_t function_to_apply;      /* an octavo_score_function: what makes scores of logits; not beside candidates */
} octavo_classify_options;

/* The likeliest classes of each text, best first; with `pairs`, as many, of each pair of texts. */
OCTAVO_API octavo_status octavo_classify(octavo_session* session, const octavo_texts* texts, const octavo_texts* pairs,
                                         const octavo_classify_options* options, octavo_result** result);

typedef struct octavo_rank_options {
  size_t struct_size;
  int32_t top_k; /* documents; by default all */
  int32_t max_length;
  int64_t batch_size, max_batch_tokens;
} octavo_rank_options;

/* Documents by how well they answer a query, best first: the rows of one input. The model is a cross-encoder. */
OCTAVO_API octavo_status octavo_rank(octavo_session* session, octavo_string query, const octavo_texts* documents,
                                     const octavo_rank_options* options, octavo_result** result);

typedef enum octavo_aggregation {
  OCTAVO_AGGREGATION_DEFAULT = 0, /* simple */
  OCTAVO_AGGREGATION_NONE = 1,    /* each token by itself */
  OCTAVO_AGGREGATION_SIMPLE = 2,  /* by each token's likeliest class */
  OCTAVO_AGGREGATION_FIRST = 3,   /* a word has the class of its first token */
  OCTAVO_AGGREGATION_AVERAGE = 4, /* of the mean over its tokens */
  OCTAVO_AGGREGATION_MAX = 5      /* of its surest token */
} octavo_aggregation;

typedef struct octavo_tag_options {
  size_t struct_size;
  int32_t aggregation; /* octavo_aggregation */
  int32_t max_length;  /* tokens of a window; a longer text is several */
  int32_t stride;      /* tokens that two windows have in common, -1 for none; by default half of one, at most 128 */
  int32_t reserved;
  int64_t batch_size, max_batch_tokens;
} octavo_tag_options;

/* Entities in texts, in their order. */
OCTAVO_API octavo_status octavo_tag(octavo_session* session, const octavo_texts* texts,
                                    const octavo_tag_options* options, octavo_result** result);

typedef struct octavo_answer_options {
  size_t struct_size;
  int32_t top_k;             /* most answers to each question; 1 */
  int32_t max_answer_length; /* tokens of an answer, before it is extended to whole words; 15 */
  int32_t impossible;        /* 1: "" may be an answer: there is none */
  int32_t max_length, stride;
  int32_t reserved;
  int64_t batch_size, max_batch_tokens;
} octavo_answer_options;

/* The parts of contexts that answer questions, best first. */
OCTAVO_API octavo_status octavo_answer(octavo_session* session, const octavo_texts* questions,
                                       const octavo_texts* contexts, const octavo_answer_options* options,
                                       octavo_result** result);

typedef struct octavo_fill_mask_options {
  size_t struct_size;
  int32_t top_k; /* tokens for each masked place; 5 */
  int32_t max_length;
  int64_t batch_size, max_batch_tokens;
  const octavo_texts* targets; /* only these words; their scores stay the same */
} octavo_fill_mask_options;

/* What may stand in each [MASK] (or <mask>) of texts, best first. */
OCTAVO_API octavo_status octavo_fill_mask(octavo_session* session, const octavo_texts* texts,
                                          const octavo_fill_mask_options* options, octavo_result** result);

typedef struct octavo_classify_images_options {
  size_t struct_size;
  int32_t top_k; /* 5 */
  int32_t reserved;
  int64_t batch_size;
} octavo_classify_images_options;

/* The likeliest classes of pictures, best first. */
OCTAVO_API octavo_status octavo_classify_images(octavo_session* session, const octavo_images* images,
                                                const octavo_classify_images_options* options, octavo_result** result);

typedef struct octavo_tokenize_options {
  size_t struct_size;
  int32_t max_length; /* longer texts are cut; by default as the checkpoint says */
  int32_t reserved;
} octavo_tokenize_options;

/* The tokens of texts, special ones included, or of pairs of texts, where places are those of either text. */
OCTAVO_API octavo_status octavo_tokenize(octavo_model* model, const octavo_texts* texts, const octavo_texts* pairs,
                                         const octavo_tokenize_options* options, octavo_result** result);

/* ---- Text that is made, and how well it is predicted ---------------------------------------------------------- */

typedef struct octavo_generate_options {
  size_t struct_size;
  int32_t max_new_tokens; /* 128 */
  int32_t context;        /* most tokens of prompt and text together; by default as many as the model takes */
  double temperature;     /* 0 takes the likeliest token */
  double top_p, min_p;
  double repetition_penalty;
  int32_t top_k;
  int32_t beams; /* above 1: beam search, whose text comes at the end */
  uint64_t seed;
  const octavo_texts* stops; /* strings that end the text and are no part of it */
} octavo_generate_options;

typedef enum octavo_finish { OCTAVO_FINISH_LENGTH = 0, OCTAVO_FINISH_STOP = 1, OCTAVO_FINISH_EOS = 2 } octavo_finish;

typedef struct octavo_generation {
  size_t struct_size; /* set by the caller: no more is written */
  int32_t finish;     /* octavo_finish */
  int32_t prompt_tokens, tokens;
  int32_t reserved;
  double prompt_seconds, decode_seconds;
} octavo_generation;

/* Gets each piece of the text, whole characters, as soon as it is certain; anything but 0 ends the text. */
typedef int (*octavo_text_sink)(void* user, const char* text, size_t length);

/* Continues a prompt. `generation` may be NULL. */
OCTAVO_API octavo_status octavo_generate(octavo_session* session, octavo_string prompt,
                                         const octavo_generate_options* options, octavo_text_sink sink, void* user,
                                         octavo_generation* generation);

typedef struct octavo_perplexity_options {
  size_t struct_size;
  int32_t context; /* tokens of a block; by default the model's limit, at most 512 */
  int32_t stride;  /* of a decoder: tokens from one block to the next; by default as many as a block has */
  int32_t pseudo;  /* of other models: 1 hides each token alone */
  int32_t reserved;
  uint64_t seed; /* of other models: of the choice of masked tokens */
  int64_t batch_size, max_batch_tokens;
} octavo_perplexity_options;

typedef struct octavo_perplexity_result {
  size_t struct_size; /* set by the caller: no more is written */
  double perplexity, standard_error;
  double top1; /* share of the masked tokens that are the likeliest; of a decoder 0 */
  int64_t tokens, blocks;
} octavo_perplexity_result;

/* How well a decoder predicts the tokens of a text, or another model those that are masked, lines of the text then
 * being texts of their own. */
OCTAVO_API octavo_status octavo_perplexity(octavo_session* session, octavo_string text,
                                           const octavo_perplexity_options* options, octavo_perplexity_result* result);

/* ---- Calibration --------------------------------------------------------------------------------------------- */

typedef struct octavo_report octavo_report;

/* Hears of a stage ("calibrate", "compare") and how much of it is done, 0 to 1, or, with a negative fraction, a
 * sentence in place of the stage. Anything but 0 ends the calibration. */
typedef int (*octavo_progress)(void* user, const char* stage, double fraction);

/* Writes the INT8 file `output` of a checkpoint directory. `samples`: texts, or names of pictures, to calibrate on;
 * NULL: those that octavo brings along. `options`: a JSON object of flags of `octavo calibrate` by their long names
 * without dashes, {"method": "auto", "paper": true, "top-up": false}; NULL: none. What it does not know is refused by
 * name, and the environment changes nothing. `progress` may be NULL, and so may `report`. */
OCTAVO_API octavo_status octavo_calibrate(const char* checkpoint, const octavo_texts* samples, const char* options,
                                          const char* output, octavo_progress progress, void* user,
                                          octavo_report** report);

OCTAVO_API const char* octavo_report_json(const octavo_report* report); /* one object */
OCTAVO_API const char* octavo_report_text(const octavo_report* report); /* a short table */
OCTAVO_API const char* octavo_report_html(const octavo_report* report); /* one self-contained page */
OCTAVO_API void octavo_report_free(octavo_report* report);              /* NULL is fine */

/* ---- The command ---------------------------------------------------------------------------------------------- */

/* Runs the `octavo` command as a process does that has nothing else to do: it reads and prints, and interrupts end the
 * process. argv[0] is its own name. Gives the exit code. For launchers such as `python -m octavo`. */
OCTAVO_API int octavo_command(int argc, const char* const* argv);

#ifdef __cplusplus
}
#endif

#endif /* OCTAVO_OCTAVO_H */
