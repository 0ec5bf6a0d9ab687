#include "worker/passes/patterns.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <mutex>

#include "base/status_macros.h"
#include "worker/passes/kernels.h"

namespace zcbench {
namespace {

constexpr int64_t kTile = 1 << 12;  // units whose words stay in the first cache while the samples go by

uint64_t* Data(const at::Tensor& words) { return reinterpret_cast<uint64_t*>(words.data_ptr<int64_t>()); }

// Whether the determinant of a matrix of integers >= 0 is divisible by the prime: Gaussian elimination modulo it.
template <uint64_t prime>
bool IsSingularModulo(const at::Tensor& matrix) {
  static_assert(prime < (uint64_t{1} << 31), "products must fit in 64 bits");
  const auto n = static_cast<size_t>(matrix.size(0));
  const double* values = matrix.const_data_ptr<double>();
  std::vector<uint64_t> a(n * n);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<uint64_t>(values[i]) % prime;
  for (size_t c = 0; c < n; ++c) {
    size_t pivot = c;
    while (pivot < n && a[pivot * n + c] == 0) ++pivot;
    if (pivot == n) return true;
    std::swap_ranges(a.begin() + static_cast<int64_t>(c * n), a.begin() + static_cast<int64_t>((c + 1) * n),
                     a.begin() + static_cast<int64_t>(pivot * n));
    uint64_t inverse = 1;  // of the pivot: its (prime - 2)th power
    for (uint64_t power = a[c * n + c], exponent = prime - 2; exponent > 0; exponent /= 2) {
      if (exponent % 2 == 1) inverse = inverse * power % prime;
      power = power * power % prime;
    }
    for (size_t r = c + 1; r < n; ++r) {
      const uint64_t factor = (prime - a[r * n + c]) * inverse % prime;
      if (factor == 0) continue;
      for (size_t k = c; k < n; ++k) a[r * n + k] = (a[r * n + k] + factor * a[c * n + k]) % prime;
    }
  }
  return false;
}

// A regular matrix whose determinant has both primes as factors would be taken for singular: a chance of 1 to 4e18.
bool IsSingular(const at::Tensor& matrix) {
  return IsSingularModulo<2147483647>(matrix) && IsSingularModulo<2147483629>(matrix);
}

}  // namespace

SignPatterns::SignPatterns(int sources, int samples, int calls)
    : calls_(calls),
      samples_(samples),
      words_per_unit_((samples + 63) / 64),
      words_(static_cast<size_t>(sources) * static_cast<size_t>(calls)),
      left_out_(static_cast<size_t>(sources)) {}

void SignPatterns::Add(int source, int64_t first, const at::Tensor& x, int call) {
  const int64_t n = x.size(0);
  const int64_t units = x.numel() / n;
  at::Tensor& words = words_[static_cast<size_t>(source * calls_ + call)];
  if (!words.defined()) words = at::zeros({words_per_unit_, units}, x.options().dtype(at::kLong));
  ZCB_CHECK(words.size(1) == units && first + n <= samples_);
  const at::Tensor rows = x.detach().contiguous().view({n, units});
  if (!x.is_cpu()) {
    for (int64_t s = 0; s < n; ++s) {
      words[(first + s) / 64].bitwise_or_(
          at::bitwise_left_shift((rows[s] > 0).to(at::kLong), at::Scalar((first + s) % 64)));
    }
    return;
  }
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "pack_signs", [&] {
    const scalar_t* values = rows.const_data_ptr<scalar_t>();
    uint64_t* out = Data(words);
    at::parallel_for(0, (units + kTile - 1) / kTile, 2, [&](int64_t begin, int64_t end) {
      for (int64_t tile = begin; tile < end; ++tile) {
        const int64_t u = tile * kTile;
        const auto count = static_cast<size_t>(std::min(kTile, units - u));
        for (int64_t s = 0; s < n; ++s) {
          kernels::PackSigns(values + s * units + u, static_cast<int>((first + s) % 64), count,
                             out + (first + s) / 64 * units + u);
        }
      }
    });
  });
}

int64_t SignPatterns::units() const {
  int64_t count = 0;
  for (const at::Tensor& words : words_) count += words.defined() ? words.size(1) : 0;
  return count;
}

void SignPatterns::LeaveOut(int source) { left_out_[static_cast<size_t>(source)] = true; }

at::Tensor SignPatterns::Agreement(int source) const {
  const auto n = static_cast<size_t>(samples_);
  std::vector<int64_t> hamming(n * n, 0);
  std::mutex mutex;  // integers: the order of the additions does not matter
  int64_t units = 0;
  for (int i = 0; i < static_cast<int>(words_.size()); ++i) {
    if ((source >= 0 && source != i / calls_) || !words_[static_cast<size_t>(i)].defined()) continue;
    const at::Tensor words = words_[static_cast<size_t>(i)].cpu();
    units += words.size(1);
    at::parallel_for(0, words.size(1), kTile, [&](int64_t begin, int64_t end) {
      std::vector<int64_t> local(n * n, 0);
      kernels::AddHamming(Data(words) + begin, static_cast<size_t>(words.size(1)), static_cast<size_t>(end - begin),
                          samples_, local.data());
      const std::lock_guard<std::mutex> lock(mutex);
      for (size_t k = 0; k < local.size(); ++k) hamming[k] += local[k];
    });
  }
  at::Tensor agreement = at::empty({samples_, samples_}, at::kDouble);
  double* out = agreement.data_ptr<double>();
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      out[i * n + j] = out[j * n + i] = static_cast<double>(units - (i == j ? 0 : hamming[i * n + j]));
    }
  }
  return agreement;
}

const std::vector<double>& SignPatterns::LogDeterminants() const {
  for (int source = static_cast<int>(log_determinants_.size()); source < sources(); ++source) {
    const at::Tensor agreement = Agreement(source);
    log_determinants_.push_back(IsSingular(agreement) ? 0 : std::get<1>(at::linalg_slogdet(agreement)).item<double>());
  }
  return log_determinants_;
}

std::vector<at::Tensor> SignPatterns::Counted(int first, int last) const {
  std::vector<at::Tensor> words;
  for (int i = first * calls_; i < (last + 1) * calls_; ++i) {
    if (left_out_[static_cast<size_t>(i / calls_)] || !words_[static_cast<size_t>(i)].defined()) continue;
    words.push_back(words_[static_cast<size_t>(i)].cpu());
  }
  return words;
}

uint64_t SignPatterns::CountDistinct(int first, int last) const {
  const std::vector<at::Tensor> parts = Counted(first, last);
  if (parts.empty()) return 0;
  const at::Tensor all = at::cat(parts, 1).contiguous();
  const auto units = static_cast<size_t>(all.size(1));
  return kernels::CountDistinct(Data(all), units, units, static_cast<size_t>(words_per_unit_));
}

uint64_t SignPatterns::CountDistinct() const {
  if (!distinct_) distinct_ = CountDistinct(0, sources() - 1);
  return *distinct_;
}

int64_t SignPatterns::CountDistinctSamples() const {
  // Groups of samples that have agreed so far; each unit splits some. With real images a few hundred units suffice.
  const auto n = static_cast<size_t>(samples_);
  std::vector<size_t> group(n, 0);
  size_t groups = 1;
  for (const at::Tensor& words : Counted(0, sources() - 1)) {
    const auto units = static_cast<size_t>(words.size(1));
    for (size_t u = 0; u < units && groups < n; ++u) {
      std::vector<size_t> renamed(2 * groups, n);  // of (group, bit); n: not met
      size_t next = 0;
      for (size_t s = 0; s < n; ++s) {
        const uint64_t bit = Data(words)[s / 64 * units + u] >> (s % 64) & 1;
        size_t& name = renamed[2 * group[s] + bit];
        if (name == n) name = next++;
        group[s] = name;
      }
      groups = next;
    }
  }
  return static_cast<int64_t>(groups);
}

}  // namespace zcbench
