#ifndef ZCBENCH_BASE_SHA256_H_
#define ZCBENCH_BASE_SHA256_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace zcbench {

using Sha256Digest = std::array<uint8_t, 32>;

Sha256Digest Sha256(std::string_view bytes);

// 64 lower-case hexadecimal digits.
std::string Hex(const Sha256Digest& digest);
inline std::string Sha256Hex(std::string_view bytes) { return Hex(Sha256(bytes)); }

// For what comes in pieces. Not thread-safe.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  void Update(std::string_view bytes);
  Sha256Digest Finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace zcbench

#endif  // ZCBENCH_BASE_SHA256_H_
