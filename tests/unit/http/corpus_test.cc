// The fuzz targets' corpus, in every build: each seed as it is, cut short at every place, and with bytes
// changed.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "fuzz/http_checks.h"
#include "support/source_root.h"

namespace banyan::http::checks {
namespace {

std::filesystem::path corpus(std::string_view target) {
  return support::source_root() / "tests/fuzz/corpus" / target;
}

template <class Check>
void run_corpus(std::string_view target, Check check) {
  std::mt19937 random(4711);
  size_t seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus(target))) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    SCOPED_TRACE(entry.path().filename().string());
    ++seeds;
    check(bytes, true);
    for (size_t size = 0; size < bytes.size(); size += bytes.size() / 16 + 1)
      check(bytes.substr(0, size), false);
    constexpr std::string_view kTroublesome(
        "\r\n\0 \t:;,%/.\"\\@_\x7f\xff"
        "0aA",
        20);
    for (int round = 0; round < 8 && !bytes.empty(); ++round) {
      std::string changed = bytes;
      changed[random() % changed.size()] = kTroublesome[random() % kTroublesome.size()];
      check(changed, false);
    }
  }
  EXPECT_GT(seeds, 5u) << corpus(target);
}

TEST(Corpus, RequestHead) { run_corpus("request_head", check_request_head); }
TEST(Corpus, ResponseHead) { run_corpus("response_head", check_response_head); }
TEST(Corpus, Chunked) {
  run_corpus("chunked", [](std::string_view bytes, bool) { check_chunked(bytes); });
}
TEST(Corpus, WebSocket) {
  run_corpus("websocket", [](std::string_view bytes, bool) { check_websocket(bytes); });
}
TEST(Corpus, Path) {
  run_corpus("path", [](std::string_view bytes, bool) { check_path(bytes); });
}

}  // namespace
}  // namespace banyan::http::checks
