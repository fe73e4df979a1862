// A model: a graph of fused ops and its weights, in float32 or quantized to integers.
#pragma once

#include "octavo/image.h"
#include "octavo/tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// real = scale * (code - zero_point)
struct Encoding {
  float scale = 1.0f;
  std::int32_t zero_point = 0;
};

/// clip((zeta - gamma) * softmax(x) + gamma, 0, 1); Quantizable Transformers (Bondarenko et al. 2023), equation 4.
/// The ordinary softmax is gamma 0, zeta 1. What is pruned of the result is zero and not made up for; Ji et al. 2021,
/// "On the Distribution, Sparsity, and Inference-time Quantization of Attention Values in Transformers".
struct ClippedSoftmax {
  double gamma = 0.0;     ///< <= 0
  double zeta = 1.0;      ///< >= 1
  bool softmax1 = false;  ///< exp(x) / (1 + sum exp(x)) is clipped, "attention is off by one", in place of softmax(x)
  bool sink = false;      ///< exp(x) / (exp(s) + sum exp(x)) is, with a learned s for each head; not with softmax1
  double prune = 0.0;     ///< probabilities up to this are zero; [0, 1)
  int log_bits = 0;  ///< 1..4: 2^bits - 1 geometric steps from prune > 0 to 1, each becomes its centre; 0: as they are
};

/// What a gate on the context of each attention head depends on; sigmoid or softplus of a logit, times a constant
/// scale.
enum class GateType {
  unconditional_per_head,   ///< a learned number per head, without scale
  conditional_per_head,     ///< the mean over a sequence's tokens of what conditional_per_token would use
  conditional_per_token,    ///< a function of the token's attention input
  conditional_per_element,  ///< the same for each element of the context
};

/// Names a type as config.json does: "conditional_per_token", ...
std::string_view name_of(GateType type);

/// How the vectors of a sequence's tokens, special ones included, become one vector.
enum class Pooling {
  mean,
  cls,                   ///< the first token's
  max,                   ///< of each column
  mean_sqrt_len_tokens,  ///< the sum divided by the square root of the number of tokens
  weightedmean,          ///< the i-th token counts i times
  lasttoken
};

/// Names a pooling as sentence-transformers does: "mean", "cls", ...
std::string_view name_of(Pooling pooling);

/// How two embeddings are compared; more is closer.
enum class Similarity {
  cosine,
  dot,
  euclidean,  ///< the negative distance
  manhattan   ///< the negative sum of absolute differences
};

/// Names a similarity as sentence-transformers does: "cosine", "dot", ...
std::string_view name_of(Similarity similarity);

/// What the numbers of a text's tokens make of one token of the vocabulary.
enum class SparsePooling { max, sum };

/// What becomes of a number that a masked language model gives a token of the vocabulary: ln(1 + x) of what is above 0,
/// once or twice.
enum class SparseActivation { relu, log1p_relu };

/// How the logits of a masked language model become a sparse embedding (SPLADE), as SpladePooling of
/// sentence-transformers calls it: activation, then pooling over all tokens of a text.
struct SparseInfo {
  SparsePooling pooling_strategy = SparsePooling::max;
  SparseActivation activation_function = SparseActivation::relu;
};

/// How the last hidden state becomes an embedding, and what stands before a text; in this order: pooling, the modules
/// behind it (summary() names them), truncation, normalisation.
struct EmbeddingInfo {
  std::vector<Pooling> pooling = {Pooling::mean};  ///< of several the vectors stand one behind the other
  std::string output = {};               ///< the output that is the embedding in place of pooled rows; "": none
  bool include_prompt = true;            ///< false: pooling leaves out a prompt's tokens
  std::optional<int> truncate_dim = {};  ///< only so many numbers of each embedding are kept
  bool normalize = true;                 ///< embeddings have length 1
  Similarity similarity = Similarity::cosine;
  std::optional<SparseInfo> sparse = {};            ///< the checkpoint's embeddings are sparse, and made like this
  std::map<std::string, std::string> prompts = {};  ///< by name: what stands before a text
  std::string default_prompt_name = {};             ///< of the prompt where none is asked for; "": none
};

/// What a checkpoint's config.json does not always say.
struct CheckpointOptions {
  std::optional<ClippedSoftmax> softmax = {};  ///< gamma and zeta replace config.json's attention_method.softmax
  std::optional<GateType> gate_type = {};      ///< replaces config.json's attention_method.gate.type
  std::optional<double> gate_scale = {};       ///< replaces config.json's attention_method.gate.scale
  std::optional<bool> softmax1 = {};           ///< replaces config.json's attention_method.softmax.softmax1
  double attention_prune = 0.0;                ///< ClippedSoftmax::prune
  int attention_log_bits = 0;                  ///< ClippedSoftmax::log_bits
};

/// What only a model that predicts the next token has.
struct DecoderInfo {
  std::int32_t bos_token = 2;                  ///< every text starts with it
  std::vector<std::int32_t> eos_tokens = {2};  ///< after any of them there is no more text
};

/// What one row of an output stands for.
enum class RowKind {
  token,         ///< every token of the batch, sequences one after the other
  sequence,      ///< every sequence
  chosen_token,  ///< every token that the caller chooses
};

/// What a head for texts is for, which says what the output "logits" means.
enum class TextTask {
  none,                     ///< there is no head, or one of another kind
  sequence_classification,  ///< of a text or a pair: a number per class
  token_classification,     ///< of a token: a number per class
  question_answering,       ///< of a token: whether an answer begins there, and whether one ends there
  masked_language_model     ///< of a token: a number per token of the vocabulary
};

/// "sequence_classification", ...
std::string_view name_of(TextTask task);

/// What makes scores of the logits of a classifier of texts.
enum class ScoreFunction { softmax, sigmoid, none };

/// "softmax", ...: transformers' names.
std::string_view name_of(ScoreFunction function);

/// A result that a caller can ask a model for, by the name that transformers gives it.
struct OutputInfo {
  std::string name;  ///< "last_hidden_state", "pooler_output", "logits", ...
  int columns = 0;
  RowKind rows = RowKind::token;
};

/// Facts about a model that a caller may want to know.
struct ModelInfo {
  std::string name = {};    ///< directory name of the checkpoint
  std::string family = {};  ///< "bert", "opt", "vit", ...
  int layers = 0, hidden_size = 0, attention_heads = 0, intermediate_size = 0;
  int matformer_factor = 1;  ///< of a checkpoint: its feed-forward networks hold others of so many times fewer neurons
                             ///< (octavo/parts.h); 1: they do not
  int vocab_size = 0;
  int type_vocab_size = 0;  ///< 0: no token types
  int max_positions = 0;    ///< longest sequence; of a model of images, the tokens of one
  int padding_token = -1;   ///< id of tokens that are not counted as positions and have one for themselves; -1: none
  int max_length = 0;       ///< tokens that a text is cut to where nothing else is asked for; at most max_positions
  EmbeddingInfo embedding = {};
  ClippedSoftmax softmax;
  std::string gate = "none";  ///< "none", "unconditional_per_head", or with its kind, and its activation where that is
                              ///< not sigmoid: "conditional_per_token (linear)", "... (dense, softplus)"
  double gate_scale = 1.0;
  std::int64_t parameters = 0;
  std::vector<std::string> removed_sublayers = {};        ///< in the order in which they went (octavo/sublayers.h)
  int classes = 0;                                        ///< that the model tells apart; 0: it has no head
  TextTask task = TextTask::none;                         ///< of a model of texts
  ScoreFunction score_function = ScoreFunction::softmax;  ///< of classes, as transformers chooses it
  ScoreFunction pair_function = ScoreFunction::sigmoid;   ///< of a cross-encoder, as sentence-transformers does
  int prefix_tokens = 0;                    ///< rows before the patches of an image: class token and the like
  std::optional<ImageSettings> image = {};  ///< what images it takes; nothing for a model of text
  std::optional<DecoderInfo> decoder = {};  ///< of a model that predicts the next token; nothing for others
  std::vector<OutputInfo> outputs = {};     ///< what Engine::output() gives
};

/// How the bytes of a .octavo file come into memory. A checkpoint directory is mapped always.
struct OpenOptions {
  /// The file is mapped: the processes of a machine that do so share its pages. It must then stay as it is, since what
  /// is read of a file that was cut ends the process (SIGBUS). Else it is read into memory of this process, whatever
  /// becomes of the file, and decoding is up to an eighth faster.
  bool mapped = false;
};

/// An immutable model; cheap to copy. Once it exists it is valid.
class Model {
 public:
  /// Reads a Hugging Face or sentence-transformers directory: config.json, model.safetensors (or its shards), tokenizer
  /// files, modules, prompts. Throws Error naming the file and the tensor or key: what was found, what was expected.
  static Model from_checkpoint(const std::filesystem::path& directory, const CheckpointOptions& options = {});

  /// Reads a .octavo file written by save(); everything is checked here, once. Throws Error naming the file and the
  /// tensor or key: what was found, what was expected.
  static Model from_file(const std::filesystem::path& file, const OpenOptions& options = {});

  /// Reads a directory as from_checkpoint() does, a file as from_file() does. Throws Error as they do, and when there
  /// is neither.
  static Model open(const std::filesystem::path& path, const OpenOptions& options = {});

  /// Writes a quantized model as one self-contained file: under a temporary name, then renamed. Throws Error when the
  /// model is float32 or the file cannot be written; a file of that name then stays as it was.
  void save(const std::filesystem::path& file) const;

  /// Copies the model and keeps a JSON object beside how it was calibrated, under "report" in summary_json(). Throws
  /// Error when the model is not quantized or `json` is no object.
  [[nodiscard]] Model with_report(const std::string& json) const;

  /// Tells whether it holds integers for the whole forward pass; else it is float32.
  bool is_quantized() const;

  /// Gives facts: sizes, limits, pooling, outputs.
  const ModelInfo& info() const;

  /// Tells whether the checkpoint had a tokenizer.
  bool has_tokenizer() const;

  /// Gives the checkpoint's tokenizer, parsed once, when the model was read. Throws Error when the checkpoint had none.
  const Tokenizer& tokenizer() const;

  /// Gives the names of the classes, in order; empty when the checkpoint had none.
  const std::vector<std::string>& labels() const;

  /// Tells what a checkpoint says that octavo does not know and that may change results, or that contradicts itself: a
  /// sentence each that names the file and the key. Empty for a file that save() wrote.
  const std::vector<std::string>& warnings() const;

  /// Describes the model to a reader: ops, encodings, softmax and gates, sizes.
  std::string summary() const;

  /// Describes the model as one JSON object with the facts of summary().
  std::string summary_json() const;

  struct Data;

 private:
  friend struct Access;
  explicit Model(std::shared_ptr<const Data> data);
  std::shared_ptr<const Data> data_;
};

}  // namespace octavo
