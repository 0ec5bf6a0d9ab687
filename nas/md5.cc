#include "nas/md5.h"

#include <cstdint>
#include <cstring>

#include "base/status_macros.h"

namespace zcbench {
namespace {

constexpr size_t kBlock = 64;  // bytes

// One 32-bit word of each message, which the compiler keeps in vector registers.
using Words = uint32_t __attribute__((vector_size(4 * kMd5Lanes)));

// floor(2^32 |sin(i + 1)|)
constexpr std::array<uint32_t, 64> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
constexpr int kRotations[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

void Compress(std::array<Words, 4>& state, const std::array<Words, 16>& block) {
  Words a = state[0];
  Words b = state[1];
  Words c = state[2];
  Words d = state[3];
#pragma GCC unroll 64
  for (int i = 0; i < 64; ++i) {
    const Words f = i < 16 ? d ^ (b & (c ^ d)) : i < 32 ? c ^ (d & (b ^ c)) : i < 48 ? b ^ c ^ d : c ^ (b | ~d);
    const int word = i < 16 ? i : i < 32 ? (5 * i + 1) % 16 : i < 48 ? (3 * i + 5) % 16 : 7 * i % 16;
    const int rotation = kRotations[i / 16][i % 4];
    const Words sum = a + f + kSines[i] + block[word];
    a = d;
    d = c;
    c = b;
    b += (sum << rotation) | (sum >> (32 - rotation));
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

uint32_t LittleEndian(const unsigned char* bytes) {
  return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | uint32_t{bytes[3]} << 24;
}

}  // namespace

std::array<Md5Digits, kMd5Lanes> Md5OfEight(const std::array<std::string, kMd5Lanes>& messages) {
  const size_t size = messages[0].size();
  const size_t whole = size / kBlock * kBlock;
  // What is left over is followed by a one bit, zeros, and the number of bits in the last eight bytes.
  const size_t tail_size = (size - whole + 8) / kBlock * kBlock + kBlock;
  std::array<std::array<unsigned char, 2 * kBlock>, kMd5Lanes> tails = {};
  for (int lane = 0; lane < kMd5Lanes; ++lane) {
    ZCB_CHECK(messages[lane].size() == size);
    std::memcpy(tails[lane].data(), messages[lane].data() + whole, size - whole);
    tails[lane][size - whole] = 0x80;
    for (int byte = 0; byte < 8; ++byte) {
      tails[lane][tail_size - 8 + byte] = static_cast<unsigned char>(uint64_t{size} * 8 >> (8 * byte));
    }
  }
  std::array<Words, 4> state;
  for (int lane = 0; lane < kMd5Lanes; ++lane) {
    state[0][lane] = 0x67452301;
    state[1][lane] = 0xefcdab89;
    state[2][lane] = 0x98badcfe;
    state[3][lane] = 0x10325476;
  }
  std::array<Words, 16> block;
  for (size_t start = 0; start < whole + tail_size; start += kBlock) {
    for (int lane = 0; lane < kMd5Lanes; ++lane) {
      const auto* const message = reinterpret_cast<const unsigned char*>(messages[lane].data());
      const unsigned char* const bytes = start < whole ? message + start : tails[lane].data() + (start - whole);
      for (int word = 0; word < 16; ++word) block[word][lane] = LittleEndian(bytes + 4 * word);
    }
    Compress(state, block);
  }
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<Md5Digits, kMd5Lanes> digests;
  for (int lane = 0; lane < kMd5Lanes; ++lane) {
    for (int byte = 0; byte < 16; ++byte) {
      const uint32_t value = state[byte / 4][lane] >> (8 * (byte % 4)) & 0xff;
      digests[lane][2 * byte] = kDigits[value >> 4];
      digests[lane][2 * byte + 1] = kDigits[value & 15];
    }
  }
  return digests;
}

}  // namespace zcbench
