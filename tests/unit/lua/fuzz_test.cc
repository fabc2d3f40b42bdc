// Scripts out of a random generator: whatever they are, loading and calling them returns, and a good script
// made afterwards works.
#include <gtest/gtest.h>

#include <random>

#include "lua/memory.h"
#include "lua/source_scan.h"
#include "support/log_capture.h"
#include "unit/lua/request.h"

namespace banyan::lua {
namespace {

Limits small_limits() {
  Limits limits;
  limits.instructions = 20'000;
  limits.memory = 1 << 20;
  return limits;
}

void try_script(const std::string& source) {
  support::LogCapture log;
  find_target_literals(source);
  auto script = Script::load("fuzz.lua", source, small_limits(), targets());
  if (!script) {
    EXPECT_FALSE(script.error().message.empty());
    return;
  }
  Request request = Request::with("x-a", "1");
  for (int i = 0; i < 3; ++i) (*script)->route(request);
  (*script)->run_tests();
}

TEST(LuaFuzz, RandomBytes) {
  std::mt19937 random(7);
  for (int i = 0; i < 1500; ++i) {
    std::string source(random() % 200, '\0');
    for (char& c : source) c = static_cast<char>(random());
    try_script(source);
  }
}

TEST(LuaFuzz, RandomTokensInRoute) {
  constexpr const char* kTokens[] = {"local ",
                                     "function ",
                                     "end ",
                                     "if ",
                                     "then ",
                                     "else ",
                                     "while ",
                                     "do ",
                                     "for ",
                                     "in ",
                                     "return ",
                                     "repeat ",
                                     "until ",
                                     "goto ",
                                     "break ",
                                     "nil ",
                                     "true ",
                                     "not ",
                                     "and ",
                                     "a ",
                                     "b ",
                                     "a.b ",
                                     "a[1] ",
                                     "req ",
                                     "req.path ",
                                     "req.headers ",
                                     "'x' ",
                                     "'.-' ",
                                     "1 ",
                                     "1e9 ",
                                     "0x7fffffffffffffff ",
                                     "{} ",
                                     "{1, 2} ",
                                     "(",
                                     ")",
                                     "[",
                                     "]",
                                     "{",
                                     "}",
                                     "= ",
                                     "== ",
                                     "< ",
                                     ".. ",
                                     "+ ",
                                     "// ",
                                     "% ",
                                     "# ",
                                     "- ",
                                     "~ ",
                                     ", ",
                                     "; ",
                                     "... ",
                                     "::l:: ",
                                     "<close> ",
                                     "string.rep ",
                                     "string.find ",
                                     "string.gsub ",
                                     "string.format ",
                                     "table.concat ",
                                     "table.sort ",
                                     "table.unpack ",
                                     "setmetatable ",
                                     "pcall ",
                                     "error ",
                                     "pairs ",
                                     "next ",
                                     "tostring ",
                                     "log ",
                                     "select ",
                                     "a = ",
                                     "local a = ",
                                     "b = ",
                                     "pcall(function() ",
                                     "end) ",
                                     "for i = 1, 9 do ",
                                     "for k, v in pairs(a) do ",
                                     "if a then ",
                                     "utf8.codepoint ",
                                     "math.random() ",
                                     "a(b) ",
                                     "(a) ",
                                     "('x'):rep(1e5) ",
                                     "return { side = a } "};
  std::mt19937 random(11);
  for (int i = 0; i < 2000; ++i) {
    std::string body;
    for (size_t n = random() % 30; n > 0; --n) body += kTokens[random() % std::size(kTokens)];
    try_script("local M, a, b = {}, {}, 'text'\nfunction M.route(req)\n" + body + "\nend\nreturn M");
  }
}

// Complete statements in random order: these do compile.
TEST(LuaFuzz, RandomStatements) {
  constexpr const char* kStatements[] = {"a = a .. a",
                                         "a = #a",
                                         "b = { a, b }",
                                         "a = b",
                                         "b = {}",
                                         "a = 'x'",
                                         "a = a + 1",
                                         "a = tostring(b)",
                                         "b = setmetatable(b, b)",
                                         "b.__index = b",
                                         "b.__newindex = b",
                                         "b.__call = pcall",
                                         "b.__gc = error",
                                         "b.__len = next",
                                         "b.__eq = rawequal",
                                         "b.__concat = string.rep",
                                         "b.__tostring = type",
                                         "b.__metatable = a",
                                         "a = string.rep(a, 3)",
                                         "a = string.gsub(a, '.', b)",
                                         "a = string.find(a, a)",
                                         "a = string.format(a, b)",
                                         "pcall(string.gsub, a, '(.)', a)",
                                         "for k, v in pairs(b) do a = k end",
                                         "for k in a:gmatch('.') do b[k] = k end",
                                         "table.insert(b, a)",
                                         "table.sort(b)",
                                         "table.sort(b, pcall)",
                                         "a = table.concat(b, a)",
                                         "b = table.pack(table.unpack(b))",
                                         "table.remove(b)",
                                         "table.move(b, 1, 9, 3)",
                                         "a = next(b)",
                                         "a = select(-1, a, b)",
                                         "b[a] = b",
                                         "b[1] = a",
                                         "a = function(...) return ... end",
                                         "a = a(b)",
                                         "pcall(a, b)",
                                         "xpcall(a, a, a)",
                                         "error(b)",
                                         "a = utf8.char(a)",
                                         "a = utf8.len(a)",
                                         "log(a, b)",
                                         "a = hash(a)",
                                         "a = a < b",
                                         "a = a == b",
                                         "a = ~a",
                                         "a = -a",
                                         "do local c <close> = b end",
                                         "for i = a, 9 do b[i] = i end",
                                         "while a do a = next(b, a) end",
                                         "goto done",
                                         "if a then return b end",
                                         "return { set_headers = b }",
                                         "return { key = a }",
                                         "return a, b",
                                         "a = req.headers[a]",
                                         "a = req.cookies[a]",
                                         "for k, v in pairs(req.headers) do a = v end",
                                         "a = getmetatable(b)",
                                         "a = getmetatable(a)",
                                         "rawset(b, a, a)",
                                         "a = math.random(a)",
                                         "a = tonumber(a, 36)",
                                         "a = a:byte(1, -1)",
                                         "a = a:rep(1000, a)",
                                         "_ENV = b",
                                         "x = a"};
  std::mt19937 random(13);
  for (int i = 0; i < 2000; ++i) {
    std::string body;
    // A failing statement would end most bodies early; pcall lets the rest run.
    for (size_t n = random() % 40; n > 0; --n) {
      std::string statement = kStatements[random() % std::size(kStatements)];
      bool plain = statement.starts_with("return") || statement.starts_with("goto") || random() % 4 == 0;
      body += plain ? "do " + statement + " end\n" : "pcall(function() " + statement + " end)\n";
    }
    try_script("local M, a, b = {}, 'abc', { 1, 2, 3 }\nfunction M.route(req)\n" + body +
               "::done::\nend\nreturn M");
  }
}

TEST(SourceScan, TakesAnyBytes) {
  std::mt19937 random(17);
  constexpr std::string_view kBytes = "return{}[[]]==\"'\\\n--target,;()x";
  for (int i = 0; i < 20'000; ++i) {
    std::string source(random() % 40, ' ');
    for (char& c : source) c = kBytes[random() % kBytes.size()];
    for (const TargetLiteral& literal : find_target_literals(source)) EXPECT_GE(literal.line, 1);
  }
}

TEST(MemoryTest, CountsAndLimitsWhatItHolds) {
  Memory memory(256 * 1024);
  std::mt19937 random(19);
  struct Block {
    char* data;
    size_t size;
    char mark;
  };
  std::vector<Block> blocks;
  for (int i = 0; i < 20'000; ++i) {
    size_t size = random() % 8 ? random() % 600 + 1 : random() % 20'000 + 1;
    auto mark = static_cast<char>(random());
    if (blocks.size() < 40 && random() % 2) {
      auto* data = static_cast<char*>(memory.allocate(size));
      if (!data) continue;
      EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 16, 0u);
      std::fill_n(data, size, mark);
      blocks.push_back({data, size, mark});
    } else if (!blocks.empty()) {
      Block& block = blocks[random() % blocks.size()];
      EXPECT_EQ(std::count(block.data, block.data + block.size, block.mark), static_cast<long>(block.size));
      auto* data = random() % 2 ? static_cast<char*>(memory.resize(block.data, block.size, size)) : nullptr;
      if (data) {
        EXPECT_EQ(std::count(data, data + std::min(size, block.size), block.mark),
                  static_cast<long>(std::min(size, block.size)));
        std::fill_n(data, size, mark);
        block = {data, size, mark};
      } else {
        memory.release(block.data, block.size);
        block = blocks.back();
        blocks.pop_back();
      }
    }
    EXPECT_LE(memory.held(), 256u * 1024);
  }
  EXPECT_EQ(memory.allocate(1 << 20), nullptr);
  EXPECT_EQ(memory.allocate(~size_t{0}), nullptr);
}

}  // namespace
}  // namespace banyan::lua
