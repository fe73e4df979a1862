// Reading ViT and DeiT checkpoints: both libraries' names, every variant, golden logits, and errors that name the
// thing.
#include "io/safetensors.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/tiny_vit.h"

#include "octavo/error.h"

namespace octavo::test {
namespace {

std::vector<float> logits_of(const Model& model, const ImageBatch& batch) {
  Workspace workspace({.threads = 1});
  const Tensor logits = Engine(model).logits(batch, workspace);
  return {logits.as<float>().begin(), logits.as<float>().end()};
}

std::string read_error(const TinyVit& vit) {
  return refusal([&] { vit.model(); });
}

}  // namespace

TEST_CASE("timm's and Hugging Face's names give the same logits") {
  for (const bool distillation : {false, true}) {
    TinyVitOptions options{.distillation = distillation};
    const TinyVit timm(options);
    options.names = VitNames::hugging_face;
    const TinyVit other(options);
    CHECK(timm.model().info().parameters == other.model().info().parameters);
    CHECK(logits_of(timm.model(), random_images(3, 32)) == logits_of(other.model(), random_images(3, 32)));
  }
}

TEST_CASE("with a distillation token the logits are the mean of both heads'") {
  const TinyVit both({.distillation = true});
  TinyVit first = both, second = both;
  first.tensors.at("head_dist.weight") = Tensor(DType::f32, {10, 48});
  first.tensors.at("head_dist.bias") = Tensor(DType::f32, {10});
  second.tensors.at("head.weight") = Tensor(DType::f32, {10, 48});
  second.tensors.at("head.bias") = Tensor(DType::f32, {10});
  const ImageBatch batch = random_images(2, 32);
  const std::vector<float> a = logits_of(first.model(), batch), b = logits_of(second.model(), batch);
  std::vector<float> sum;
  for (std::size_t i = 0; i < a.size(); ++i) sum.push_back(a[i] + b[i]);
  CHECK(largest_difference(logits_of(both.model(), batch), sum) < 1e-5);
}

TEST_CASE("positions of the patches alone are those of a table whose other rows are zero") {
  TinyVit all({.registers = 2}), patches({.registers = 2, .positions_of_patches_only = true});
  patches.tensors = all.tensors;
  Tensor& table = all.tensors.at("pos_embed");
  Tensor zeroed(DType::f32, table.shape()), own(DType::f32, {1, 16, 48});
  std::copy(table.as<float>().begin() + 3 * 48, table.as<float>().end(), zeroed.writable<float>().begin() + 3 * 48);
  std::copy(table.as<float>().begin() + 3 * 48, table.as<float>().end(), own.writable<float>().begin());
  table = zeroed;
  patches.tensors.at("pos_embed") = own;
  CHECK(logits_of(all.model(), random_images(2, 32)) == logits_of(patches.model(), random_images(2, 32)));
}

TEST_CASE("a layer scale of both libraries' families is that of the products before it") {
  TinyVit scaled, multiplied;
  for (const auto& [module, gamma] : {std::pair{"0.attn.proj", "0.ls1.gamma"}, std::pair{"0.mlp.fc2", "0.ls2.gamma"},
                                      std::pair{"1.attn.proj", "1.ls1.gamma"}, std::pair{"1.mlp.fc2", "1.ls2.gamma"}}) {
    const std::string block = "blocks.", name = block + module;
    scaled.add(block + gamma, {48}, 0.7f);
    const auto factors = scaled.tensors.at(block + gamma).as<float>();
    for (const char* part : {".weight", ".bias"}) {
      const Tensor plain = scaled.tensors.at(name + part);
      Tensor product(DType::f32, plain.shape());
      const std::size_t inputs = plain.as<float>().size() / factors.size();
      for (std::size_t i = 0; i < plain.as<float>().size(); ++i)
        product.writable<float>()[i] = plain.as<float>()[i] * factors[i / inputs];
      multiplied.tensors.at(name + part) = product;
    }
  }
  CHECK(logits_of(scaled.model(), random_images(2, 32)) == logits_of(multiplied.model(), random_images(2, 32)));
  CHECK(scaled.model().info().parameters == multiplied.model().info().parameters);
}

TEST_CASE("float logits of the shipped ViT on the shipped pictures are those of an independent implementation") {
  const Model model = Model::from_checkpoint(shipped_vit());
  const SafetensorsFile golden = read_safetensors(source_dir() / "tests/golden/deit_gated_logits.safetensors");
  const Engine engine(model);
  Workspace workspace({.threads = 1});
  for (const char* name : {"clock.png", "traffic-light.jpg"}) {
    INFO(name);
    const ImageBatch batch{
        {prepare_image(read_image(source_dir() / "models/pretrained/pictures" / name), *model.info().image)}};
    const auto expected = golden.tensors.at(std::string(name) + ".logits").as<float>();
    CHECK(largest_difference(engine.logits(batch, workspace).as<float>(), expected) < 1e-4);
    const auto feature = golden.tensors.at(std::string(name) + ".feature").as<float>();
    CHECK(largest_difference(engine.pool(batch, {Pooling::cls}, workspace).as<float>(), feature) < 1e-4);
  }
}

TEST_CASE("float logits are PyTorch's on its golden pictures", "[shared]") {
  const auto pictures = shared_data("golden/images.safetensors");
  if (!pictures) return;
  const SafetensorsFile images = read_safetensors(*pictures);
  ImageBatch batch;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto pixels = images.tensors.at("pixels").as<std::uint8_t>().subspan(i * 224 * 224 * 3, 224 * 224 * 3);
    batch.images.push_back({.width = 224, .height = 224, .pixels = {pixels.begin(), pixels.end()}});
  }
  for (const std::string name :
       {"deit-tiny-patch16-224", "deit-tiny-patch16-224-clipped", "deit-tiny-patch16-224-gated-linear"}) {
    INFO(name);
    const auto files = find_golden_model(name);
    if (!files) return;
    const SafetensorsFile golden = read_safetensors(files->golden);
    const std::vector<float> logits = logits_of(Model::from_checkpoint(files->checkpoint), batch);
    for (std::size_t i = 0; i < 4; ++i) {
      const auto expected = golden.tensors.at(std::to_string(i) + ".logits").as<float>();
      CHECK(largest_difference(std::span(logits).subspan(i * 1000, 1000), expected) < 1e-4);
    }
  }
}

TEST_CASE("a ViT checkpoint that is not what it says is an error that names the thing") {
  TinyVit missing, unknown, misshapen, gate, heads, pool, size;
  missing.tensors.erase("blocks.1.norm2.bias");
  CHECK_THAT(read_error(missing), Catch::Contains("blocks.1.norm2.bias"));
  unknown.add("blocks.0.ls3.gamma", {48}, 1.0f);
  CHECK_THAT(read_error(unknown), Catch::Contains("blocks.0.ls3.gamma"));
  misshapen.add("pos_embed", {1, 18, 48}, 1.0f);
  CHECK_THAT(read_error(misshapen), Catch::Contains("pos_embed"));
  gate.config["attention_method"].erase("gate");
  CHECK_THAT(read_error(gate), Catch::Contains("alpha"));
  heads.config["architecture"] = "vit_patch8";
  CHECK_THAT(read_error(heads), Catch::Contains("architecture"));
  pool.config["global_pool"] = "avg";
  CHECK_THAT(read_error(pool), Catch::Contains("global_pool"));
  size.config["pretrained_cfg"]["input_size"] = {3, 7, 7};
  CHECK_THAT(read_error(size), Catch::Contains("patches of 8"));
}

TEST_CASE("picture settings come from the checkpoint") {
  const ImageSettings deit = *Model::from_checkpoint(shipped_vit()).info().image;
  CHECK(deit.width == 224);
  CHECK(deit.resize_height == 248);
  CHECK(deit.resize == Resize::shortest_edge);
  CHECK(deit.interpolation == Interpolation::bicubic);
}

}  // namespace octavo::test
