// Search spaces: sets of architectures whose i-th is defined for every i, by count or by seed.
//
// An architecture is its canonical string, the part after the slash of `nasbench201/3_33_133`. Every method that takes
// one takes a canonical string; `Parse` makes it from any notation. Strings that are not canonical are INVALID_ARGUMENT
// everywhere.
#ifndef ZCBENCH_NAS_SPACE_H_
#define ZCBENCH_NAS_SPACE_H_

#include <cstdint>
#include <istream>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "absl/status/statusor.h"
#include "base/registry.h"
#include "nas/random.h"
#include "nas/task.h"

namespace zcbench {

struct NamedCount {
  std::string name;  // "macs_api"
  int64_t value;
};

// Stateless and thread-safe.
class Space {
 public:
  virtual ~Space() = default;

  virtual std::string_view summary() const = 0;
  virtual int version() const = 0;                        // raised when a score of any architecture would change
  virtual int input_size(const Task& task) const = 0;     // pixels a side
  virtual std::vector<std::string> prefixes() const = 0;  // other names before the slash: {"nb201"}
  // Whether its networks answer tasks of this kind. By default those with one answer an image of three channels.
  virtual bool Answers(TaskKind kind) const;

  // The enumerated set. OUT_OF_RANGE: index >= size(). NOT_FOUND: a network that can be built but is not of the set.
  virtual uint64_t size() const = 0;
  virtual absl::StatusOr<std::string> At(uint64_t index) const = 0;
  virtual absl::StatusOr<uint64_t> IndexOf(std::string_view architecture) const = 0;

  // The canonical string of any text that names a network which can be built: canonical, with a prefix and a slash, the
  // official strings of the benchmark, tuples of other tools, "#index". INVALID_ARGUMENT says what is wrong and where.
  virtual absl::StatusOr<std::string> Parse(std::string_view text) const = 0;
  // The notation of the benchmark's authors.
  virtual absl::StatusOr<std::string> Official(std::string_view architecture) const = 0;

  // One architecture of the enumerated set as the space's authors draw it, which need not be uniform over the index;
  // each has a chance.
  virtual std::string Draw(Draws& draws) const = 0;
  // As the authors' evolutionary search does, within the enumerated set. NOT_FOUND: a parent that is not of it.
  // FAILED_PRECONDITION: these two cannot be crossed; take another pair.
  virtual absl::StatusOr<std::string> Mutate(std::string_view architecture, Draws& draws) const = 0;
  virtual absl::StatusOr<std::string> Crossover(std::string_view a, std::string_view b, Draws& draws) const = 0;
  // Every architecture of the enumerated set one change away, in a fixed order, without itself. Symmetric: a
  // neighbour's neighbour. NOT_FOUND: an architecture that is not of the set.
  virtual absl::StatusOr<std::vector<std::string>> Neighbours(std::string_view architecture) const = 0;

  // Counting. INVALID_ARGUMENT also for a cell whose input the space's networks do not take.
  // Trainable parameters, normalisation and biases included.
  virtual absl::StatusOr<int64_t> Params(std::string_view architecture, const Cell& cell) const = 0;
  // Single operations (multiply-accumulates) in the convention that the proxy `flops` reports.
  virtual absl::StatusOr<int64_t> Flops(std::string_view architecture, const Cell& cell) const = 0;
  // The other published conventions, by name.
  virtual absl::StatusOr<std::vector<NamedCount>> Macs(std::string_view architecture, const Cell& cell) const = 0;
};

struct SpaceDefinition {
  std::string name;
  std::shared_ptr<const Space> space;
};

const Registry<SpaceDefinition>& space_registry();

// By name or by one of its prefixes. NOT_FOUND with the nearest name.
absl::StatusOr<const SpaceDefinition*> FindSpace(std::string_view name);

// For the spaces: what Parse has to read, `text` without surrounding spaces and without `name/` or one of the prefixes
// and a slash. INVALID_ARGUMENT: another name before the slash, or more than 4096 characters.
absl::StatusOr<std::string_view> WithoutSpaceName(std::string_view text, std::string_view name,
                                                  const std::vector<std::string>& prefixes);

// The architectures of a sample seed, in order: all different, and the first n of a longer sequence are the sequence of
// n. Each comes from draws keyed by (sample seed, i, attempt); a repeat of an earlier one is drawn again. Not
// thread-safe.
class SampleSequence {
 public:
  SampleSequence(const SpaceDefinition& space, uint64_t sample_seed) : space_(space), sample_seed_(sample_seed) {}

  // The i-th; draws what is missing before it. INVALID_ARGUMENT: i >= size of the space.
  absl::StatusOr<std::string> At(uint64_t i);

 private:
  const SpaceDefinition& space_;
  uint64_t sample_seed_;
  std::vector<std::string> drawn_;
  std::unordered_set<std::string> seen_;
};

// One architecture a line, in any notation of the space; empty lines are skipped. Canonical strings come back. `name`
// is what errors call the file; they name the line.
absl::StatusOr<std::vector<std::string>> ReadArchitectures(const Space& space, std::istream& in,
                                                           const std::string& name);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_SPACE_H_
