// Normalisations that several tasks share.
#ifndef ZCBENCH_NAS_TASKS_NORMALISATIONS_H_
#define ZCBENCH_NAS_TASKS_NORMALISATIONS_H_

#include <array>

namespace zcbench {

// torchvision's and AutoFormer's.
inline constexpr std::array<float, 3> kImageNetMean = {0.485f, 0.456f, 0.406f};
inline constexpr std::array<float, 3> kImageNetDeviation = {0.229f, 0.224f, 0.225f};

// Of numbers that are stated on the scale 0 to 255.
constexpr std::array<float, 3> Per255(double red, double green, double blue) {
  return {static_cast<float>(red / 255), static_cast<float>(green / 255), static_cast<float>(blue / 255)};
}

}  // namespace zcbench

#endif  // ZCBENCH_NAS_TASKS_NORMALISATIONS_H_
