#include "nas/md5.h"

#include <gmock/gmock.h>

namespace zcbench {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

std::vector<std::string> Digests(const std::array<std::string, kMd5Lanes>& messages) {
  std::vector<std::string> digests;
  for (const Md5Digits& digits : Md5OfEight(messages)) digests.emplace_back(digits.begin(), digits.end());
  return digests;
}

// The test suite of RFC 1321: none, one and two blocks.
TEST(Md5Test, GivesTheVectorsOfTheRfc) {
  for (const auto& [message, digest] : std::vector<std::pair<std::string, std::string>>{
           {"", "d41d8cd98f00b204e9800998ecf8427e"},
           {"a", "0cc175b9c0f1b6a831c399e269772661"},
           {"abc", "900150983cd24fb0d6963f7d28e17f72"},
           {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
           {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
           {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"},
           {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            "57edf4a22be3c955ac49da2e2107b67a"}}) {
    std::array<std::string, kMd5Lanes> eight;
    eight.fill(message);
    EXPECT_THAT(Digests(eight), Each(digest)) << message;
  }
}

TEST(Md5Test, EveryLaneHasItsOwnMessage) {
  EXPECT_THAT(Digests({"a", "b", "c", "d", "e", "f", "g", "h"}),
              ElementsAre("0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f",
                          "4a8a08f09d37b73795649038408b5f33", "8277e0910d750195b448797616e091ad",
                          "e1671797c52e15f763380b45e841ec32", "8fa14cdd754f91cc6554c9e71929cce7",
                          "b2f5ff47436671b6e533d8dc3614845d", "2510c39011c5be704182423e3a695e91"));
}

}  // namespace
}  // namespace zcbench
