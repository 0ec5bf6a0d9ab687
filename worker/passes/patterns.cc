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

}  // namespace

SignPatterns::SignPatterns(int sources, int samples, int calls)
    : calls_(calls),
      samples_(samples),
      words_per_unit_((samples + 63) / 64),
      words_(static_cast<size_t>(sources) * static_cast<size_t>(calls)) {}

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

uint64_t SignPatterns::CountDistinct(int first, int last) const {
  std::vector<at::Tensor> parts;
  for (int i = first * calls_; i < (last + 1) * calls_; ++i) {
    if (words_[static_cast<size_t>(i)].defined()) parts.push_back(words_[static_cast<size_t>(i)].cpu());
  }
  if (parts.empty()) return 0;
  const at::Tensor all = at::cat(parts, 1).contiguous();
  const auto units = static_cast<size_t>(all.size(1));
  return kernels::CountDistinct(Data(all), units, units, static_cast<size_t>(words_per_unit_));
}

uint64_t SignPatterns::CountDistinct() const {
  if (!distinct_) distinct_ = CountDistinct(0, sources() - 1);
  return *distinct_;
}

}  // namespace zcbench
