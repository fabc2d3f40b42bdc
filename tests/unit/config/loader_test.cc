// Texts that want to hurt, and exact positions.
#include "config/loader.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "config/text_check.h"
#include "support/source_root.h"
#include "unit/config/sample_handlers.h"

namespace banyan::config {
namespace {

struct Document {
  Node root;
  bool good;
  std::vector<Diagnostic> diagnostics;
};

Document parse_text(std::string_view text) {
  static const Sources none;
  static const LoadOptions options;
  StoredSources access(none);
  Reader reader(access, options);
  Document document;
  document.good = parse_document(text, reader.add_file("x.toml", "/"), reader, document.root);
  document.diagnostics = reader.take_diagnostics();
  return document;
}

std::pair<int, int> place(Position position) { return {position.line, position.column}; }

TEST(LoaderTest, KnowsWhereKeysAndValuesStand) {
  const Document document =
      parse_text("a = 1\n  bc   =\t\"x\"\n[t.u]\n'q k' = { i = [1, \"é\", 2] }\nd.e.f = true\n");
  ASSERT_TRUE(document.good);
  const Node& root = document.root;
  EXPECT_EQ(place(root.find("a")->where), std::pair(1, 1));
  EXPECT_EQ(place(root.find("a")->value.where), std::pair(1, 5));
  EXPECT_EQ(place(root.find("bc")->where), std::pair(2, 3));
  EXPECT_EQ(place(root.find("bc")->value.where), std::pair(2, 10));
  const Node& table = root.find("t")->value.find("u")->value;
  EXPECT_EQ(place(root.find("t")->value.find("u")->where), std::pair(3, 1));
  EXPECT_EQ(place(table.find("q k")->where), std::pair(4, 1));
  const Node& items = table.find("q k")->value.find("i")->value;
  EXPECT_EQ(place(items.items[1].where), std::pair(4, 19));
  EXPECT_EQ(place(items.items[2].where), std::pair(4, 24));  // "é" is one column
  EXPECT_EQ(place(table.find("d")->value.find("e")->value.find("f")->where), std::pair(5, 5));
}

TEST(LoaderTest, KeepsTheOrderOfTheFile) {
  const Document document = parse_text("z = 1\ny = 2\n[x]\n[w]\n[[v]]\n");
  std::string keys;
  for (const Entry& entry : document.root.entries) keys += entry.key;
  EXPECT_EQ(keys, "zyxwv");
}

TEST(LoaderTest, ReadsNumbersExactly) {
  const Document document = parse_text(
      "a = 9_223_372_036_854_775_807\nb = -9223372036854775808\nc = 0xff\nd = 0o17\ne = 0b101\nf = +7\ng = "
      "1e3\n"
      "h = 1_0.5");
  ASSERT_TRUE(document.good);
  const Node& root = document.root;
  EXPECT_EQ(root.find("a")->value.integer, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(root.find("b")->value.integer, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(root.find("c")->value.integer, 255);
  EXPECT_EQ(root.find("d")->value.integer, 15);
  EXPECT_EQ(root.find("e")->value.integer, 5);
  EXPECT_EQ(root.find("f")->value.integer, 7);
  EXPECT_EQ(root.find("g")->value.number, 1000);
  EXPECT_EQ(root.find("h")->value.number, 10.5);
}

TEST(LoaderTest, RefusesNumbersThatDoNotFit) {
  for (const char* text :
       {"a = 9223372036854775808", "a = 0xffffffffffffffff", "a = 1e999", "a = -1e999", "a = nan"}) {
    const Document document = parse_text(text);
    EXPECT_EQ(document.diagnostics.size(), 1u) << text;
    EXPECT_TRUE(document.root.find("a")->value.broken) << text;
  }
}

TEST(LoaderTest, PutsTheEnvironmentIntoStrings) {
  Sources sources;
  sources.environment["NAME"] = "va\"lue";
  sources.environment["EMPTY"] = "";
  const LoadOptions options;
  StoredSources access(sources);
  Reader reader(access, options);
  Node root;
  ASSERT_TRUE(
      parse_document("a = \"<${NAME}>\"\nb = \"${EMPTY:-x}${UNSET:-}\"\nc = \"$${NAME} $ $$ $1 $x}\"\n"
                     "d = \"$$${NAME}\"\ne = '${NAME}'\n\"${NAME}\" = 1",
                     reader.add_file("x", "/"), reader, root));
  EXPECT_EQ(to_text(reader.take_diagnostics()), "");
  EXPECT_EQ(root.find("a")->value.string, "<va\"lue>");
  EXPECT_TRUE(root.find("a")->value.from_environment);
  EXPECT_EQ(root.find("b")->value.string, "x");
  EXPECT_EQ(root.find("c")->value.string, "${NAME} $ $$ $1 $x}");
  EXPECT_FALSE(root.find("c")->value.from_environment);
  EXPECT_EQ(root.find("d")->value.string, "$${NAME}");
  EXPECT_EQ(root.find("e")->value.string, "va\"lue");
  EXPECT_NE(root.find("${NAME}"), nullptr);
}

TEST(LoaderTest, QuoteIsUndoneByReading) {
  for (const std::string& text :
       {std::string("plain"), std::string("${A}"), std::string("$${A}"), std::string("$$${"),
        std::string("a\"b\\c\n\t\r\x01\x7f é 漢 🌳"), std::string("'''"), std::string("")}) {
    const Document document = parse_text(key_text(text + "k") + " = " + quote(text));
    ASSERT_TRUE(document.good) << quote(text) << to_text(document.diagnostics);
    EXPECT_EQ(document.root.entries.at(0).key, text + "k");
    EXPECT_EQ(document.root.entries.at(0).value.string, text);
  }
}

TEST(LoaderTest, EverySyntaxErrorHasAPlaceInTheText) {
  for (const char* text : {"a",
                           "a=",
                           "=",
                           "[",
                           "[[",
                           "[]",
                           "[[]]",
                           "[a",
                           "[a]]",
                           "[[a]",
                           "a={",
                           "a={b",
                           "a={b=",
                           "a={b=1",
                           "a={b=1,",
                           "a=[",
                           "a=[1",
                           "a=[1,",
                           "a=[,",
                           "a=\"",
                           "a='",
                           "a=\"\"\"",
                           "a='''",
                           "a=\"\\",
                           "a=1 2",
                           "a.=1",
                           ".a=1",
                           "a..b=1",
                           "a=.5",
                           "a=5.",
                           "a=1__0",
                           "a=_1",
                           "a=0x",
                           "a=1e",
                           "a=tru",
                           "a=\"\\u12\"",
                           "a=\"\\ud800\"",
                           "a=2020-13-01",
                           "a=1979-05-27T25:00:00Z",
                           "a=1\na=2",
                           "a=1\na.b=2",
                           "[a]\nb=1\n[a.b]",
                           "a={b=1}\n[a.c]",
                           "a=[1]\n[[a]]",
                           "\"a\nb\"=1",
                           "a 1",
                           "{",
                           "}",
                           "]",
                           ",",
                           "a=1,",
                           "a=[1 2]",
                           "a={b=1 c=2}",
                           "# only\n?"}) {
    const Document document = parse_text(text);
    if (document.good && document.diagnostics.empty()) continue;  // the library is lenient with a few
    ASSERT_FALSE(document.diagnostics.empty()) << text;
    const Diagnostic& first = document.diagnostics[0];
    const auto lines = std::count(text, text + std::string_view(text).size(), '\n') + 1;
    EXPECT_GE(first.where.line, 1) << text;
    EXPECT_LE(first.where.line, lines + 1) << text;
    EXPECT_GE(first.where.column, 1) << text;
    EXPECT_EQ(first.message.find("toml::"), std::string::npos) << text << ": " << first.message;
    EXPECT_EQ(first.message.find('\n'), std::string::npos) << text << ": " << first.message;
  }
}

TEST(LoaderTest, DeepNestingIsRefusedBeforeItIsParsed) {
  const size_t depth = 200'000;
  const auto repeated = [&](const std::string& piece) {
    std::string text;
    for (size_t i = 0; i < depth; ++i) text += piece;
    return text;
  };
  for (const std::string& text :
       {"a = " + repeated("["), "a = " + repeated("{a="), "[" + repeated("a.") + "a]",
        repeated("a.") + "a = 1", repeated("a . ") + "a = 1", "a = " + repeated("[\n"),
        repeated("\"a\".") + "a = 1", "a = { " + repeated("a.") + "b = 1 }"}) {
    const Document document = parse_text(text);
    ASSERT_EQ(document.diagnostics.size(), 1u);
    EXPECT_EQ(document.diagnostics[0].message, "is nested deeper than 32 levels");
  }
}

TEST(LoaderTest, BracketsInStringsAreNoNesting) {
  const std::string many(100, '[');
  const Document document =
      parse_text("a = \"" + many + "\\\"" + many + "\"\nb = '" + many + "'\nc = \"\"\"" + many + "\n\"\" " +
                 many + "\"\"\"\"\nd = '''" + many + "\n''" + many + "'''\n# " + many + "\ne = \"" +
                 std::string(100, '.') + "\"\n");
  EXPECT_TRUE(document.good) << to_text(document.diagnostics);
}

TEST(LoaderTest, WideTextsAreRead) {
  std::string text = "a = [";
  for (int i = 0; i < 10'000; ++i) text += "1,\n";
  text += "]\n";
  for (int i = 0; i < 2'000; ++i) text += fmt::format("k{} = \"{}\"\n", i, i);
  const Document document = parse_text(text);
  ASSERT_TRUE(document.good);
  EXPECT_EQ(document.root.find("a")->value.items.size(), 10'000u);
  EXPECT_EQ(document.root.entries.size(), 2'001u);
}

TEST(LoaderTest, EndlessLinesAreRefused) {
  const Document document = parse_text("a = 1\nb = \"" + std::string(70'000, 'x') + "\"\n");
  EXPECT_EQ(to_text(document.diagnostics),
            "x.toml:2:1: line is longer than 64 KiB; a list may stand on many lines\n");
}

TEST(TextCheckTest, KnowsUtf8) {
  for (const char* good : {"a", "é", "漢", "🌳", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xe0\xa0\x80"}) {
    EXPECT_EQ(utf8_length(good), std::string_view(good).size());
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_EQ(utf8_length(bad), 0u);
  }
  EXPECT_EQ(utf8_length(""), 0u);
}

// A poor man's fuzzer that runs with every build: the golden files with bytes changed, doubled, cut and
// joined.
TEST(LoaderTest, SurvivesBrokenFiles) {
  std::vector<std::string> corpus;
  const auto folder = support::source_root() / "tests/golden";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".toml") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    corpus.push_back(text.str().substr(0, 2000));
  }
  ASSERT_GT(corpus.size(), 40u);
  std::sort(corpus.begin(), corpus.end());
  std::mt19937 random(1);
  const std::string pieces[] = {"[",
                                "]",
                                "{",
                                "}",
                                "\"",
                                "'",
                                "\"\"\"",
                                "'''",
                                "=",
                                ".",
                                ",",
                                "#",
                                "\n",
                                "\\",
                                "\\u00",
                                "${",
                                "}",
                                "-",
                                "1e",
                                "0x",
                                "nan",
                                "2026-01-01",
                                std::string(1, '\0'),
                                "\xff",
                                "é"};
  for (int round = 0; round < 1500; ++round) {
    std::string text = corpus[random() % corpus.size()];
    for (int change = random() % 4; change >= 0 && !text.empty(); --change) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          text.insert(at, pieces[random() % std::size(pieces)]);
          break;
        case 2:
          text.erase(at, random() % 20);
          break;
        default:
          text.resize(at);
          text += corpus[random() % corpus.size()].substr(0, 300);
      }
    }
    const Loaded loaded = load_text(text);
    EXPECT_TRUE(loaded.ok() || !loaded.diagnostics.empty());
    for (const Diagnostic& diagnostic : loaded.diagnostics) {
      ASSERT_GE(diagnostic.where.line, 1) << text;
      ASSERT_GE(diagnostic.where.column, 1) << text;
    }
    if (loaded.ok()) {
      const Loaded again = load_text(print(loaded.config));
      EXPECT_TRUE(again.ok()) << to_text(again.diagnostics) << text;
    }
  }
}

}  // namespace
}  // namespace banyan::config
