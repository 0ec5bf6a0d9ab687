#include "worker/scorer/pages.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/source_dir.h"
#include "base/status_matchers.h"

namespace zcbench {
namespace {

constexpr char kHowTo[] = "write it anew: build/dev/bin/zcbench-scorer describe --pages docs";

std::string Page(const char* name) { return ReadFile(SourceDir() / "docs" / name).value_or(""); }

TEST(PagesTest, TheProxiesAreThoseOfThisBuild) {
  const auto page = ProxiesPage();
  ASSERT_THAT(page, IsOk());
  EXPECT_TRUE(*page == Page("proxies.md")) << "docs/proxies.md is not what this build would write; " << kHowTo;
}

TEST(PagesTest, TheSpacesAreThoseOfThisBuild) {
  const auto page = SpacesPage();
  ASSERT_THAT(page, IsOk());
  EXPECT_TRUE(*page == Page("spaces.md")) << "docs/spaces.md is not what this build would write; " << kHowTo;
}

}  // namespace
}  // namespace zcbench
