// The own pattern matcher against the one of the C library: the same answers on whatever both accept.
#include "lua/pattern.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <lua.hpp>
#include <memory>
#include <random>

#include "unit/lua/request.h"

namespace banyan::lua {
namespace {

struct Close {
  void operator()(lua_State* state) const { lua_close(state); }
};

// The text as a Lua literal.
std::string literal(std::string_view text) {
  std::string out = "'";
  for (char c : text) out += fmt::format("\\{:03}", static_cast<unsigned char>(c));
  return out + "'";
}

// A plain Lua state beside a routing script, both of which run the same expression.
class Comparison {
 public:
  Comparison() : state_(luaL_newstate()) { luaL_openlibs(state_.get()); }

  // What the C library gives: the values as text, or "error".
  std::string reference(const std::string& expression) {
    std::string source = kShow + "return show(pcall(function() return " + expression + " end))";
    if (luaL_dostring(state_.get(), source.c_str()) != LUA_OK) return "does not compile";
    std::string result = lua_tostring(state_.get(), -1);
    lua_settop(state_.get(), 0);
    return result;
  }

  static std::string ours(const std::string& expression) {
    CallResult result = run_body(kShow + "return { status = 200, body = show(pcall(function() return " +
                                 expression + " end)) }");
    return result.ok() ? result.outcome.body.value_or("") : result.message;
  }

 private:
  inline static const std::string kShow =
      "local function show(ok, ...) if not ok then return 'error' end local t = {} "
      "for i = 1, select('#', ...) do t[i] = type((select(i, ...))) .. ':' .. tostring((select(i, ...))) end "
      "return table.concat(t, ',') end ";
  std::unique_ptr<lua_State, Close> state_;
};

std::string expression(std::string_view function, std::string_view subject, std::string_view pattern) {
  return "string." + std::string(function) + "(" + literal(subject) + ", " + literal(pattern) + ")";
}

TEST(PatternTest, ManualExamples) {
  Comparison both;
  for (const char* text : {"('hello world'):find('wor')",
                           "('hello world'):find('o', 6)",
                           "('hello'):find('l+')",
                           "('hello'):find('')",
                           "('hello'):find('', 10)",
                           "('hello'):find('', 6)",
                           "('a.b'):find('.', 1, true)",
                           "('a+b'):find('+b')",
                           "('key = value'):match('^(%w+)%s*=%s*(%w+)$')",
                           "('  trim  '):match('^%s*(.-)%s*$')",
                           "('hello'):match('()ll()')",
                           "('THE (quick) fox'):find('%((%a+)%)')",
                           "('f(a(b)c)d'):match('%b()')",
                           "('THE (quick) fox'):gsub('%f[%a]%a+', string.lower)",
                           "('hello world'):gsub('(%w+)', '<%1>')",
                           "('hello world'):gsub('%w+', '%0 %0', 1)",
                           "('abc'):gsub('%w', '%%%0')",
                           "('abc'):gsub('', '-')",
                           "('hello'):gsub('l', { l = 'L' })",
                           "('hello'):gsub('l', function() return false end)",
                           "('abc'):gsub('(a)(b)', '%2%1')",
                           "('$name is $age'):gsub('%$(%w+)', { name = 'x', age = 7 })",
                           "('aXb'):gsub('%u', '%1')",
                           "('abc'):gsub('b', '%2')",
                           "('abc'):gsub('b', '%x')",
                           "('abc'):gsub('b', '%')",
                           "('abc'):gsub('b', {b = {}})",
                           "('abc'):gsub('^a', 'x')",
                           "('aaa'):gsub('^a', 'x')",
                           "('abc'):gsub('()', '%1')",
                           "('x^y'):find('^', 1, true)",
                           "('a-b'):match('[a%-]+')",
                           "('a]b'):match('[]]')",
                           "('a]b'):match('[^]]+')",
                           "('2026-11-21'):match('(%d+)-(%d+)-(%d+)')",
                           "('\\0a\\0'):find('%z')",
                           "('a\\0b'):find('\\0')",
                           "('äöü'):match('[\\128-\\255]+')",
                           "('abcabc'):match('(%a+)%1')",
                           "('[[x]]'):match('%[(%b[])%]')",
                           "('a,b,,c'):gsub(',', ';', -1)",
                           "('abc'):find('b', -1)",
                           "('abc'):find('b', -2)",
                           "('abc'):find('b', -20)",
                           "('abc'):match('a$')",
                           "('a$'):match('a$$')",
                           "('a$b'):match('a$b')",
                           "('abc'):find('[a-')",
                           "('abc'):find('[a')",
                           "('abc'):find('%')",
                           "('abc'):find('(a')",
                           "('abc'):find('a)')",
                           "('abc'):find('%1')",
                           "('abc'):find('(a%1)')",
                           "('abc'):find('%b')",
                           "('abc'):find('%f')",
                           "('abc'):find('[%')"}) {
    EXPECT_EQ(Comparison::ours(text), both.reference(text)) << text;
  }
}

TEST(PatternTest, Gmatch) {
  Comparison both;
  for (const char* loop : {"('one two  three'):gmatch('%a+')", "('k=v, a=b'):gmatch('(%w+)=(%w+)')",
                           "('abc'):gmatch('')", "('abc'):gmatch('()b*')", "('^a^a'):gmatch('^a')",
                           "('abcabc'):gmatch('b', 3)", "('abc'):gmatch('b', -1)", "('abc'):gmatch('', 9)"}) {
    std::string text =
        "(function() local t = {} for a, b in " + std::string(loop) +
        " do t[#t + 1] = tostring(a) .. '/' .. tostring(b) end return table.concat(t, ' ') end)()";
    EXPECT_EQ(Comparison::ours(text), both.reference(text)) << loop;
  }
}

// Random patterns of the pieces that interact, on short texts of few letters.
TEST(PatternTest, AgreesOnRandomPatterns) {
  Comparison both;
  std::mt19937 random(20261121);
  constexpr const char* kPieces[] = {
      "a", "b", "a", "b", ".",  "%a", "%d", "%W", "[ab]", "[^a]", "[%d-]", "(",      ")",  "()", "*",
      "+", "-", "?", "*", "%1", "%2", "^",  "$",  "%b()", "%bab", "%f[a]", "%f[^b]", "%.", "1",  "[a-b1]"};
  auto pick = [&](size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random); };
  for (int i = 0; i < 1500; ++i) {
    std::string pattern, subject;
    for (size_t n = pick(7) + 1; n > 0; --n) pattern += kPieces[pick(std::size(kPieces))];
    for (size_t n = pick(12); n > 0; --n) subject += "aabb1.()-"[pick(9)];
    std::string text = pick(2) ? expression("find", subject, pattern)
                               : "string.gsub(" + literal(subject) + ", " + literal(pattern) + ", '<%0>')";
    std::string expected = both.reference(text);
    // A malformed pattern is an error at once here, in the C library only when the matching gets there.
    if (std::string answer = Comparison::ours(text); answer != "error") {
      EXPECT_EQ(answer, expected) << pattern << " on " << subject;
    } else if (expected != "error") {
      Pattern compiled;
      EXPECT_NE(compiled.compile(pattern, Pattern::Anchor::allowed), nullptr) << pattern << " on " << subject;
    }
  }
}

TEST(PatternTest, RefusesWhatIsTooComplex) {
  Pattern pattern;
  std::string long_literal(60'000, 'x');
  EXPECT_EQ(pattern.compile(long_literal, Pattern::Anchor::allowed), nullptr)
      << "a run of letters is one item";
  std::string many;
  for (size_t i = 0; i <= Pattern::kMaxItems; ++i) many += "a?";
  EXPECT_STREQ(pattern.compile(many, Pattern::Anchor::allowed), "pattern too complex");
  std::string captures;
  for (size_t i = 0; i <= Pattern::kMaxCaptures; ++i) captures += "()";
  EXPECT_STREQ(pattern.compile(captures, Pattern::Anchor::allowed), "too many captures");
}

TEST(PatternTest, StopsWhenTheMeterIsEmpty) {
  std::string lazy;
  for (int i = 0; i < 30; ++i) lazy += ".-";
  lazy += "b";
  std::string subject(5000, 'a');
  Pattern pattern;
  ASSERT_EQ(pattern.compile(lazy, Pattern::Anchor::allowed), nullptr);
  Meter meter;
  meter.start(std::chrono::hours(1), 100'000, MonotonicClock::now());
  Matcher matcher(pattern, subject, meter);
  EXPECT_EQ(matcher.search(0), Matcher::Result::exhausted);
  EXPECT_EQ(meter.reached(), Failure::instructions);
}

}  // namespace
}  // namespace banyan::lua
