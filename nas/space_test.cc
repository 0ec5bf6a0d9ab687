// Properties of every registered space, and what its authors published about its size. A space without an entry in the
// tables below fails.
#include "nas/space.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

const std::map<std::string, uint64_t> kPublishedSizes = {
    {"nasbench201", 15625},
    {"nasbench101", 423624},
    {"autoformer_tiny", 1056964608},
    {"autoformer_small", 77103263459313},
    {"autoformer_base", 10108977168384},
    {"darts", 1076746950455072400},
    {"darts_eval", 1076746950455072400},
    {"transnas_micro", 4096},
    {"transnas_macro", 3256},
};

// The first five samples of seed 0. They never change: stored jobs name architectures by (sample seed, i).
const std::map<std::string, std::vector<std::string>> kFrozenSamples = {
    {"nasbench201", {"1_31_213", "0_24_310", "0_03_304", "0_40_040", "0_02_343"}},
    {"nasbench101", {"2-1-", "3-7-1", "4-27-00", "3-7-0", "5-3a7-211"}},
    {"autoformer_tiny",
     {"12-240-444333433434-122122211121", "12-240-334433344343-221121211222", "12-216-434433333344-112121221212",
      "12-240-334344343444-222212122121", "14-240-43434334333443-12222111121111"}},
    {"autoformer_small",
     {"12-448-756675755757-000122211211", "13-320-7756567575675-1020122022112", "14-448-57776655666555-20120110102111",
      "12-320-657557555665-201020001100", "14-320-56766767666775-21201212121111"}},
    {"autoformer_base",
     {"16-624-aaa9a9aaaaa9a9a9-0221220122100012", "16-624-9aa9aa99999a99a9-2201221000221021",
      "15-576-999aaaaa99a9aaa-202110000211211", "14-624-a9a9a9a9a9a99a-11012011201001",
      "16-528-aa99999aaa9999aa-2212210220021220"}},
    {"transnas_micro", {"1_23_332", "1_11_121", "3_02_231", "0_11_233", "1_00_000"}},
    {"transnas_macro", {"22411", "4334", "41211", "132431", "2311"}},
    {"darts",
     {"0014022315250642_0113001522340610", "0215132111341524_0215061504130112", "0015021513350432_0412002613203346",
      "0011032003360545_0514162112252135", "0415002112350026_0510051106131030"}},
    {"darts_eval",
     {"0314061015230046_0313051015202041", "0415162216302043_0515062601110631", "0016041404161044_0114051612240226",
      "0614021126342642_0215021000110220", "0014152101262241_0411061304200245"}},
};

class SpaceTest : public ::testing::TestWithParam<const SpaceDefinition*> {
 protected:
  const std::string& name() const { return GetParam()->name; }
  const Space& space() const { return *GetParam()->space; }

  std::vector<std::string> Samples(int count, uint64_t seed = 1) const {
    SampleSequence sequence(*GetParam(), seed);
    std::vector<std::string> samples;
    for (int i = 0; i < count; ++i) samples.push_back(*sequence.At(i));
    return samples;
  }

  Cell ACell() const { return *FindCell(name(), "cifar10"); }
};

std::vector<const SpaceDefinition*> AllSpaces() {
  std::vector<const SpaceDefinition*> all;
  for (const SpaceDefinition& definition : space_registry().All()) all.push_back(&definition);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Registry, SpaceTest, ::testing::ValuesIn(AllSpaces()),
                         [](const auto& test) { return test.param->name; });

TEST_P(SpaceTest, HasThePublishedSize) {
  ASSERT_TRUE(kPublishedSizes.contains(name())) << "add the published size to kPublishedSizes";
  EXPECT_EQ(space().size(), kPublishedSizes.at(name()));
  EXPECT_GE(space().version(), 1);
  EXPECT_FALSE(space().summary().empty());
}

TEST_P(SpaceTest, IsFoundByItsNames) {
  EXPECT_THAT(FindSpace(name()), IsOkAndHolds(GetParam()));
  for (const std::string& prefix : space().prefixes()) EXPECT_THAT(FindSpace(prefix), IsOkAndHolds(GetParam()));
}

TEST_P(SpaceTest, IndexAndArchitectureAreInverse) {
  Draws draws(0, "test");
  std::vector<uint64_t> indices = {0, 1, space().size() / 2, space().size() - 2, space().size() - 1};
  for (int i = 0; i < 2000; ++i) indices.push_back(draws.Below(space().size()));
  for (const uint64_t index : indices) {
    const absl::StatusOr<std::string> architecture = space().At(index);
    ASSERT_THAT(architecture, IsOk()) << index;
    ASSERT_THAT(space().IndexOf(*architecture), IsOkAndHolds(index)) << *architecture;
  }
  for (const uint64_t index : {space().size(), ~uint64_t{0}}) {
    EXPECT_THAT(space().At(index), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(std::to_string(index))));
  }
}

TEST_P(SpaceTest, ReadsBackWhatItWrites) {
  for (const std::string& architecture : Samples(200)) {
    EXPECT_THAT(space().Parse(architecture), IsOkAndHolds(architecture));
    EXPECT_THAT(space().Parse(name() + "/" + architecture), IsOkAndHolds(architecture));
    for (const std::string& prefix : space().prefixes()) {
      EXPECT_THAT(space().Parse(prefix + "/" + architecture), IsOkAndHolds(architecture));
    }
    EXPECT_THAT(space().Parse(" " + architecture + "\n"), IsOkAndHolds(architecture));
    const absl::StatusOr<std::string> official = space().Official(architecture);
    ASSERT_THAT(official, IsOk());
    EXPECT_THAT(space().Parse(*official), IsOkAndHolds(architecture)) << *official;
    const absl::StatusOr<uint64_t> index = space().IndexOf(architecture);
    ASSERT_THAT(index, IsOk()) << "samples are of the enumerated set";
    EXPECT_THAT(space().Parse("#" + std::to_string(*index)), IsOkAndHolds(architecture));
  }
  const std::string beyond = "#" + std::to_string(space().size());
  EXPECT_THAT(space().Parse(beyond), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("character 2")));
}

TEST_P(SpaceTest, SamplesAreFrozenDistinctAndPrefixStable) {
  ASSERT_TRUE(kFrozenSamples.contains(name())) << "add the first five samples to kFrozenSamples";
  EXPECT_THAT(Samples(5, 0), ElementsAreArray(kFrozenSamples.at(name())));

  const std::vector<std::string> samples = Samples(1000);
  EXPECT_EQ(std::set<std::string>(samples.begin(), samples.end()).size(), samples.size());
  const std::vector<std::string> fewer = Samples(100);
  EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), samples.begin()));
  EXPECT_NE(Samples(5, 2), Samples(5, 3));

  SampleSequence backwards(*GetParam(), 1);
  for (int i = 99; i >= 0; --i) EXPECT_THAT(backwards.At(i), IsOkAndHolds(samples[i]));
  EXPECT_THAT(backwards.At(space().size()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(std::to_string(space().size()))));
}

TEST_P(SpaceTest, ChildrenAreOfTheSet) {
  Draws draws(0, "test");
  int changed = 0;
  int crossed = 0;
  const std::vector<std::string> samples = Samples(200);
  for (size_t i = 0; i + 1 < samples.size(); ++i) {
    const absl::StatusOr<std::string> mutant = space().Mutate(samples[i], draws);
    ASSERT_THAT(mutant, IsOk());
    EXPECT_THAT(space().IndexOf(*mutant), IsOk()) << *mutant;
    changed += *mutant != samples[i];

    const absl::StatusOr<std::string> child = space().Crossover(samples[i], samples[i + 1], draws);
    if (!child.ok()) {
      EXPECT_THAT(child, StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::_));
      continue;
    }
    EXPECT_THAT(space().IndexOf(*child), IsOk()) << *child;
    crossed += *child != samples[i] && *child != samples[i + 1];
    EXPECT_THAT(space().Crossover(samples[i], samples[i], draws), IsOkAndHolds(samples[i]));
  }
  EXPECT_GT(changed, 150);
  EXPECT_GT(crossed, 30);
}

TEST_P(SpaceTest, NeighboursAreDistinctOfTheSetAndSymmetric) {
  for (const std::string& architecture : Samples(5)) {
    const absl::StatusOr<std::vector<std::string>> neighbours = space().Neighbours(architecture);
    ASSERT_THAT(neighbours, IsOk());
    EXPECT_EQ(std::set<std::string>(neighbours->begin(), neighbours->end()).size(), neighbours->size());
    EXPECT_THAT(*neighbours, Not(Contains(architecture)));
    for (const std::string& neighbour : *neighbours) {
      EXPECT_THAT(space().IndexOf(neighbour), IsOk()) << neighbour;
      EXPECT_THAT(*space().Neighbours(neighbour), Contains(architecture)) << neighbour;
    }
  }
}

TEST_P(SpaceTest, CountsAreOfOneArchitecture) {
  const Cell cell = ACell();
  for (const std::string& architecture : Samples(20)) {
    const absl::StatusOr<int64_t> ten = space().Params(architecture, cell);
    Cell larger = cell;
    larger.classes = 11;
    const absl::StatusOr<int64_t> eleven = space().Params(architecture, larger);
    ASSERT_THAT(ten, IsOk());
    ASSERT_THAT(eleven, IsOk());
    EXPECT_GT(*ten, 0);
    EXPECT_GT(*eleven, *ten);
    Cell none = cell;
    none.classes = 0;
    EXPECT_THAT(space().Params(architecture, none), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0")));

    const absl::StatusOr<int64_t> flops = space().Flops(architecture, cell);
    ASSERT_THAT(flops, IsOk());
    EXPECT_GT(*flops, *ten);
    const absl::StatusOr<std::vector<NamedCount>> macs = space().Macs(architecture, cell);
    ASSERT_THAT(macs, IsOk());
    for (const NamedCount& count : *macs) {
      EXPECT_TRUE(count.name.starts_with("macs_")) << count.name;
      EXPECT_GT(count.value, 0);
    }
    Cell wrong = cell;
    wrong.height = 31;
    EXPECT_THAT(space().Params(architecture, wrong), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("31")));
    EXPECT_THAT(space().Flops(architecture, wrong), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("31")));
    EXPECT_THAT(space().Macs(architecture, wrong), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("31")));
  }
}

TEST_P(SpaceTest, WrongTextsAreAnsweredWithTheCharacter) {
  const std::string good = Samples(1)[0];
  std::vector<std::string> wrong = {"",
                                    " ",
                                    good + "0",
                                    good + good,
                                    good + " x",
                                    "\xc3\xa4" + good,
                                    "#",
                                    "#-1",
                                    "#01",
                                    "#99999999999999999999999",
                                    "(",
                                    "[",
                                    "{",
                                    "|",
                                    std::string("\0", 1),
                                    good + "\n\n,"};
  for (size_t length = 0; length < good.size(); ++length) wrong.push_back(good.substr(0, length));
  for (size_t i = 0; i < good.size(); ++i) {
    for (const char c : {'~', 'g', ' ', '\xff'}) {
      std::string text = good;
      text[i] = c;
      if (c != ' ' || (i > 0 && i + 1 < good.size())) wrong.push_back(text);
    }
  }
  const std::string official = *space().Official(good);
  for (size_t length = 1; length < official.size(); ++length) wrong.push_back(official.substr(0, length));
  wrong.push_back(official + ")");
  for (const std::string& text : wrong) {
    if (space().Official(text).ok()) continue;  // a shorter architecture
    EXPECT_THAT(space().Parse(text),
                StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr(name()), HasSubstr("at character "))))
        << text;
  }
  EXPECT_THAT(space().Parse("no_such/" + good),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("`no_such` at character 1 is another space")));
  EXPECT_THAT(space().Parse(std::string(5000, '1')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("5000 characters")));
}

TEST_P(SpaceTest, OnlyParseTakesWhatIsNotCanonical) {
  const std::string good = Samples(1)[0];
  Draws draws(0, "test");
  for (const std::string& text : {name() + "/" + good, good + " ", std::string("#0"), *space().Official(good)}) {
    ASSERT_THAT(space().Parse(text), IsOk());
    const auto is_invalid = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at character "));
    EXPECT_THAT(space().IndexOf(text), is_invalid);
    EXPECT_THAT(space().Official(text), is_invalid);
    EXPECT_THAT(space().Mutate(text, draws), is_invalid);
    EXPECT_THAT(space().Crossover(text, good, draws), is_invalid);
    EXPECT_THAT(space().Crossover(good, text, draws), is_invalid);
    EXPECT_THAT(space().Neighbours(text), is_invalid);
    EXPECT_THAT(space().Params(text, ACell()), is_invalid);
    EXPECT_THAT(space().Flops(text, ACell()), is_invalid);
    EXPECT_THAT(space().Macs(text, ACell()), is_invalid);
  }
}

TEST(FindSpaceTest, AnUnknownNameIsAnsweredWithTheNearest) {
  EXPECT_THAT(FindSpace("autoformer_tinny"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("`autoformer_tiny`?")));
}

TEST(SampleSequenceTest, ASmallSpaceIsDrawnWholly) {
  const SpaceDefinition& nasbench201 = **FindSpace("nasbench201");
  SampleSequence sequence(nasbench201, 4);
  ASSERT_THAT(sequence.At(nasbench201.space->size() - 1), IsOk());
  std::set<std::string> seen;
  for (uint64_t i = 0; i < nasbench201.space->size(); ++i) seen.insert(*sequence.At(i));
  EXPECT_EQ(seen.size(), nasbench201.space->size());
}

TEST(TaskTest, TheTasksAreAsPublished) {
  EXPECT_THAT(task_registry().Names(), IsSupersetOf({"photos", "cifar10", "cifar100"}));
  const absl::StatusOr<const Task*> cifar100 = task_registry().Find("cifar100");
  ASSERT_THAT(cifar100, IsOk());
  EXPECT_EQ((*cifar100)->classes, 100);
  EXPECT_EQ((*cifar100)->native_size, 32);
  EXPECT_FLOAT_EQ((*cifar100)->mean[0], 129.3 / 255);
  EXPECT_FLOAT_EQ((*cifar100)->standard_deviation[2], 70.4 / 255);
  const absl::StatusOr<const Task*> photos = task_registry().Find("photos");
  ASSERT_THAT(photos, IsOk());
  EXPECT_TRUE((*photos)->shipped);
  EXPECT_EQ((*photos)->class_names.size(), 5u);
  EXPECT_TRUE(std::is_sorted((*photos)->class_names.begin(), (*photos)->class_names.end()));
  for (const auto& [name, kind, classes] :
       std::vector<std::tuple<std::string, TaskKind, int>>{{"class_object", TaskKind::kSoftClassification, 100},
                                                           {"class_scene", TaskKind::kSoftClassification, 63},
                                                           {"room_layout", TaskKind::kRegression, 9},
                                                           {"jigsaw", TaskKind::kJigsaw, 1000},
                                                           {"autoencoder", TaskKind::kImage, 3},
                                                           {"normal", TaskKind::kImage, 3},
                                                           {"segmentsemantic", TaskKind::kSegmentation, 17},
                                                           {"imagenet", TaskKind::kClassification, 1000},
                                                           {"imagenet16_120", TaskKind::kClassification, 120},
                                                           {"pets", TaskKind::kClassification, 37},
                                                           {"svhn", TaskKind::kClassification, 10},
                                                           {"spherical_cifar100", TaskKind::kClassification, 100}}) {
    const absl::StatusOr<const Task*> task = task_registry().Find(name);
    ASSERT_THAT(task, IsOk());
    EXPECT_EQ((*task)->kind, kind) << name;
    EXPECT_EQ((*task)->classes, classes) << name;
  }
}

TEST(FindCellTest, ASpaceFixesTheInputSizeOfATask) {
  for (const auto& [space, task, size, classes, images] :
       std::vector<std::tuple<std::string, std::string, int, int, int>>{
           {"nasbench201", "cifar10", 32, 10, 64},
           {"nb201", "photos", 32, 5, 16},
           {"af-t", "cifar100", 224, 100, 64},
           {"nb201", "imagenet16_120", 16, 120, 64},
           {"tnb-macro", "class_scene", 256, 63, 32},
           {"tnb-micro", "photos", 256, 5, 16},
           {"tnb-micro", "cifar10", 64, 10, 64},
           {"tnb-micro", "spherical_cifar100", 64, 100, 64},
           {"autoformer_base", "photos", 224, 5, 16}}) {
    const absl::StatusOr<Cell> cell = FindCell(space, task);
    ASSERT_THAT(cell, IsOk());
    EXPECT_EQ(cell->space, (*FindSpace(space))->name);
    EXPECT_EQ(cell->task, task);
    EXPECT_EQ(cell->channels, 3);
    EXPECT_EQ(cell->height, size);
    EXPECT_EQ(cell->width, size);
    EXPECT_EQ(cell->classes, classes);
    EXPECT_EQ(cell->images, images);
  }
  EXPECT_EQ(FindCell("nb201", "photos", 32)->images, 32);
}

TEST(FindCellTest, AJigsawHasNineTiles) {
  const absl::StatusOr<Cell> cell = FindCell("transnas_micro", "jigsaw");
  ASSERT_THAT(cell, IsOk());
  EXPECT_EQ(cell->channels, 27);
  EXPECT_EQ(cell->height, 64);
  EXPECT_EQ(cell->classes, 1000);
}

TEST(FindCellTest, ATaskThatASpaceCannotAnswerNamesThoseThatCan) {
  for (const std::string task : {"segmentsemantic", "autoencoder", "normal", "jigsaw"}) {
    EXPECT_THAT(
        FindCell("autoformer_small", task),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("autoformer_small do not answer task " + task +
                                                               "; those of transnas_micro and transnas_macro do")));
  }
  EXPECT_THAT(FindCell("nasbench201", "room_layout"), IsOk());
  EXPECT_THAT(FindCell("nasbench201", "class_object"), IsOk());
}

TEST(FindCellTest, WrongNamesAndNumbersAreNamed) {
  EXPECT_THAT(FindCell("nasbench21", "cifar10"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("`nasbench201`?")));
  EXPECT_THAT(FindCell("nasbench201", "cifar1"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("`cifar10`?")));
  for (const int images : {-1, 1, 4097}) {
    EXPECT_THAT(FindCell("nasbench201", "cifar10", images),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(std::to_string(images))));
  }
}

TEST(ReadArchitecturesTest, ArchitecturesAreReadInAnyNotation) {
  const absl::StatusOr<const SpaceDefinition*> space = FindSpace("nasbench201");
  ASSERT_THAT(space, IsOk());
  std::istringstream in("3_33_133\r\n\n  nb201/0_00_001  \n|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|\n");
  EXPECT_THAT(ReadArchitectures(*(*space)->space, in, "list.txt"),
              IsOkAndHolds(ElementsAre("3_33_133", "0_00_001", "3_00_000")));
}

TEST(ReadArchitecturesTest, AWrongArchitectureIsNamedWithItsLine) {
  const absl::StatusOr<const SpaceDefinition*> space = FindSpace("nasbench201");
  ASSERT_THAT(space, IsOk());
  std::istringstream wrong("3_33_133\n\n3_33_139\n");
  EXPECT_THAT(ReadArchitectures(*(*space)->space, wrong, "list.txt"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("list.txt:3: ")));
  std::istringstream empty("\n\n");
  EXPECT_THAT(ReadArchitectures(*(*space)->space, empty, "list.txt"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("list.txt holds no architecture")));
}

}  // namespace
}  // namespace zcbench
