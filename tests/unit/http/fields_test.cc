#include "http/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <string>

namespace banyan::http {
namespace {

using testing::ElementsAre;

constexpr std::string_view kAllNames[] = {
#define NAME(identifier, name) name,
    BANYAN_KNOWN_FIELDS(NAME)
#undef NAME
};

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

TEST(FieldId, EveryKnownNameInAnyCase) {
  int number = 0;
  for (std::string_view name : kAllNames) {
    FieldId id = static_cast<FieldId>(++number);
    EXPECT_EQ(find_field_id(name), id) << name;
    EXPECT_EQ(find_field_id(upper(name)), id) << name;
    EXPECT_EQ(find_field_id(lower(name)), id) << name;
    EXPECT_EQ(field_name(id), name);
  }
  EXPECT_EQ(find_field_id("content-length"), FieldId::content_length);
}

TEST(FieldId, NothingElseIsKnown) {
  EXPECT_EQ(find_field_id(""), FieldId::other);
  EXPECT_EQ(find_field_id("X"), FieldId::other);
  EXPECT_EQ(find_field_id(std::string(100, 'x')), FieldId::other);
  for (std::string_view name : kAllNames) {
    EXPECT_EQ(find_field_id(std::string(name) + "s"), FieldId::other) << name;
    EXPECT_EQ(find_field_id(name.substr(1)), FieldId::other) << name;
    for (size_t i = 0; i < name.size(); ++i) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string near(name);
        near[i] = static_cast<char>(byte);
        ASSERT_TRUE(lower(near) == lower(name) || find_field_id(near) == FieldId::other) << near;
      }
    }
  }
}

TEST(EqualIgnoringCase, DiffersInLettersOnly) {
  for (size_t size : {1, 3, 4, 7, 8, 9, 16, 19}) {
    for (size_t place = 0; place < size; ++place) {
      for (int a = 0; a < 256; ++a) {
        for (int b : {a, a ^ 0x20, a ^ 0x40, a ^ 1, a ^ 0x80}) {
          std::string x(size, 'q');
          std::string y(size, 'Q');
          x[place] = static_cast<char>(a);
          y[place] = static_cast<char>(b);
          bool same =
              a == b || (a < 0x80 && b < 0x80 && std::isalpha(a) && std::tolower(a) == std::tolower(b));
          ASSERT_EQ(equal_ignoring_case(x, y), same) << a << " " << b << " at " << place << " of " << size;
        }
      }
    }
  }
  EXPECT_TRUE(equal_ignoring_case("", ""));
  EXPECT_FALSE(equal_ignoring_case("a", ""));
  EXPECT_FALSE(equal_ignoring_case("close", "closed"));
}

TEST(Fields, FindsAndRemovesByIdAndByName) {
  Fields fields;
  fields.add("accept", "a");
  fields.add("X-Own", "b");
  fields.add("Accept", "c");
  fields.add_copy("x-own", std::string("d"));
  EXPECT_EQ(fields.get(FieldId::accept), "a");
  EXPECT_EQ(fields.find("ACCEPT")->value, "a");
  EXPECT_EQ(fields.find("X-OWN")->value, "b");
  EXPECT_EQ(fields.find("X-Other"), nullptr);
  EXPECT_EQ(fields.get(FieldId::cookie), "");
  EXPECT_EQ(fields.remove("x-OWN"), 2u);
  EXPECT_EQ(fields.remove("aCCEPT"), 2u);
  EXPECT_EQ(fields.remove(FieldId::accept), 0u);
  EXPECT_TRUE(fields.empty());
}

TEST(Fields, CopiesLiveAsLongAsTheList) {
  Fields fields;
  {
    std::string name = "X-Gone";
    std::string value(3000, 'v');
    fields.add_copy(name, value);
    name.assign("overwritten");
    value.assign(3000, 'w');
  }
  EXPECT_EQ(fields.find("X-Gone")->value, std::string(3000, 'v'));
}

TEST(ListElements, AreTrimmedAndQuotedStringsAreWhole) {
  auto elements = [](std::string_view value) {
    std::vector<std::string> result;
    each_list_element(value, [&](std::string_view element) { result.emplace_back(element); });
    return result;
  };
  EXPECT_THAT(elements("a, b ,\tc"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(elements(",, a,, "), ElementsAre("a"));
  EXPECT_THAT(elements(R"(a="x,y", b="\",", c)"), ElementsAre(R"(a="x,y")", R"(b="\",")", "c"));
  EXPECT_THAT(elements(""), ElementsAre());
}

}  // namespace
}  // namespace banyan::http
