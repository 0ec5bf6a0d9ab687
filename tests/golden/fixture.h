// The fixtures of the published values: networks whose weights, images, labels and draws come from one integer formula,
// so that the authors' code and ours see the same numbers. The formula and the file format are described in
// tests/golden/README.md.
#ifndef ZCBENCH_TESTS_GOLDEN_FIXTURE_H_
#define ZCBENCH_TESTS_GOLDEN_FIXTURE_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/models/model.h"
#include "worker/models/weights.h"
#include "worker/passes/run_passes.h"

namespace zcbench {

// Streams of the generator that are not weights.
inline constexpr uint64_t kStreamX = 1 << 20;              // the batch
inline constexpr uint64_t kStreamXM = (1 << 20) + 1;       // the perturbation
inline constexpr uint64_t kStreamX2 = (1 << 20) + 2;       // the second batch
inline constexpr uint64_t kStreamTargets = (1 << 20) + 3;  // of dense tasks
inline constexpr uint64_t kStreamTargets2 = (1 << 20) + 4;
inline constexpr uint64_t kStreamX32 = (1 << 20) + 5;  // 32 images
inline constexpr uint64_t kStreamSigns = (1 << 20) + 100;
inline constexpr uint64_t kStreamSurrogate = 1 << 18;
inline constexpr uint64_t kStreamTransposed = 1 << 19;

// Uniform in [0, 1): element i of stream p.
double FixtureUniform(uint64_t stream, uint64_t element);

// float32((2 u - 1) * scale), row-major.
at::Tensor FixtureFill(uint64_t stream, const std::vector<int64_t>& shape, double scale);

// Fills tensors by the stream numbers that a file gives them; norm weights are 1, everything else 0.
class FixtureSource final : public RandomSource {
 public:
  // `streams`: tensor name -> stream number. Scale sqrt(3 / fan_in), or `scale` where that is positive.
  FixtureSource(std::map<std::string, uint64_t> streams, double scale) : streams_(std::move(streams)), scale_(scale) {}
  // The same whatever the scheme: the published values leave re-initialisations out.
  Weights Draw(const Model& model, Scheme scheme, int draw) const override;
  // "noise" is X, "perturbation" XM, "nasgraph/J" the weights of the J-th convolution of NAS-Graph's surrogate.
  at::Tensor Normal(std::string_view purpose, const std::vector<int64_t>& shape) const override;
  at::Tensor Signs(int draw, int64_t first_element, const std::vector<int64_t>& shape) const override;

 private:
  std::map<std::string, uint64_t> streams_;
  double scale_;
};

// One file, rebuilt.
struct Fixture {
  std::string name;
  nlohmann::json file;
  std::unique_ptr<Model> model;
  std::unique_ptr<FixtureSource> weights;
  Batch batch;    // X
  Batch batch2;   // X2
  Batch batch32;  // X32, labels n mod 10

  // A run over `batch`, with [X, X2] as the parts of the passes that have parts.
  PassInput Input(at::ScalarType dtype) const { return {*model, *weights, batch, {batch, batch2}, dtype, at::kCPU}; }
  // A run over X32, cut into parts as the product does.
  PassInput Input32(at::ScalarType dtype) const { return {*model, *weights, batch32, {}, dtype, at::kCPU}; }
};

// UNIMPLEMENTED: a fixture of a space that zcbench does not build yet.
absl::StatusOr<Fixture> LoadFixture(const std::filesystem::path& path);

// The *.json files of tests/golden/`folder`, and those of the folder that the environment variable ZCB_GOLDEN_DIR
// names, sorted.
std::vector<std::filesystem::path> GoldenFiles(const std::string& folder);

}  // namespace zcbench

#endif  // ZCBENCH_TESTS_GOLDEN_FIXTURE_H_
