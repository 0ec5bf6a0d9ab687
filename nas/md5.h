// MD5 (RFC 1321), the names that some benchmarks give their architectures; no protection against anything. Eight
// messages of one length at once: naming all cells of NAS-Bench-101 takes 24 million digests, and one after the other
// they would take six times as long.
#ifndef ZCBENCH_NAS_MD5_H_
#define ZCBENCH_NAS_MD5_H_

#include <array>
#include <string>

namespace zcbench {

inline constexpr int kMd5Lanes = 8;

// 32 lowercase hexadecimal digits.
using Md5Digits = std::array<char, 32>;

// All messages have the same length.
std::array<Md5Digits, kMd5Lanes> Md5OfEight(const std::array<std::string, kMd5Lanes>& messages);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_MD5_H_
