#include "nas/proxy_text.h"

#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ProxyTextTest, EqualTextsHaveOneCanonicalForm) {
  for (const auto& [text, canonical] : std::vector<std::pair<std::string, std::string>>{
           {"lswag", "lswag"},
           {" lswag ", "lswag"},
           {"lswag()", "lswag"},
           {"lswag( )", "lswag"},
           {"lswag(micro_batches=16)", "lswag(micro_batches=16)"},
           {"swap(samples=16,repeats=32)", "swap(repeats=32, samples=16)"},
           {"swap ( samples = 16 , repeats = 32 )", "swap(repeats=32, samples=16)"},
           {"lswag(window=p30-p60)", "lswag(window=p30-p60)"},
           {"a1_b(x=-1.5e+3, y_2=Z_)", "a1_b(x=-1.5e+3, y_2=Z_)"}}) {
    const absl::StatusOr<ProxyText> proxy = ParseProxyText(text);
    ASSERT_THAT(proxy, IsOk()) << text;
    EXPECT_EQ(PrintProxyText(*proxy), canonical);
    EXPECT_THAT(ParseProxyText(canonical), IsOkAndHolds(*proxy));
  }
}

TEST(ProxyTextTest, AnErrorNamesTheCharacter) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"", "expected the name of a proxy ([a-z][a-z0-9_]*) at character 1, found the end"},
           {"Swap", "at character 1, found `S`"},
           {"swap x", "expected the end at character 6, found `x`"},
           {"swap(", "expected the name of an option ([a-z][a-z0-9_]*) at character 6, found the end"},
           {"swap(a", "expected `=` at character 7, found the end"},
           {"swap(a=)", "expected a value ([A-Za-z0-9_.+-]+) at character 8, found `)`"},
           {"swap(a=1", "expected `,` or `)` at character 9, found the end"},
           {"swap(a=1 b=2)", "expected `,` or `)` at character 10, found `b`"},
           {"swap(a=1,)", "expected the name of an option ([a-z][a-z0-9_]*) at character 10, found `)`"},
           {"swap(a=1, a=2)", "expected an option not given before at character 11, found `a`"},
           {"swap(a=1))", "expected the end at character 10, found `)`"},
           {"sw\xc3\xa4p", "expected the end at character 3, found `\\xc3`"},
           {"swap,zico", "expected the end at character 5, found `,`"}}) {
    EXPECT_THAT(ParseProxyText(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message))) << text;
  }
}

TEST(ProxyListTest, SplitsOutsideParentheses) {
  const absl::StatusOr<std::vector<ProxyText>> proxies = ParseProxyList("snip, swap(repeats=32,samples=16),zico");
  ASSERT_THAT(proxies, IsOk());
  ASSERT_EQ(proxies->size(), 3u);
  EXPECT_EQ(PrintProxyText((*proxies)[0]), "snip");
  EXPECT_EQ(PrintProxyText((*proxies)[1]), "swap(repeats=32, samples=16)");
  EXPECT_EQ(PrintProxyText((*proxies)[2]), "zico");
}

TEST(ProxyListTest, AnErrorNamesTheCharacterOfTheList) {
  EXPECT_THAT(ParseProxyList("snip,,zico"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("`snip,,zico`"), HasSubstr("the name of a proxy"), HasSubstr("character 6"))));
  EXPECT_THAT(ParseProxyList("snip,"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("character 6")));
  EXPECT_THAT(ParseProxyList(""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("character 1")));
}

}  // namespace
}  // namespace zcbench
