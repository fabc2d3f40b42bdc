// Runs a fuzz target without a fuzzer: over its corpus, each seed as it is, cut short in sixteen places, and
// with bytes changed. So every build runs what the fuzzer once found.
//
//   replay_configuration FOLDER
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void run(std::string_view bytes) {
  // A copy of the very size, so that a sanitizer sees a read behind it.
  const std::string copy(bytes);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(copy.data()), copy.size());
}

void run_variants(const std::string& seed, std::mt19937& random) {
  constexpr std::string_view kTroublesome(
      "\r\n\0 \t:;,%/.\"\\@_=[]{}'\x7f\xff"
      "0aA",
      27);
  run(seed);
  for (size_t size = 0; size < seed.size(); size += seed.size() / 16 + 1)
    run(std::string_view(seed).substr(0, size));
  for (int round = 0; round < 8 && !seed.empty(); ++round) {
    std::string changed = seed;
    changed[random() % changed.size()] = kTroublesome[random() % kTroublesome.size()];
    run(changed);
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) {
    std::fputs("usage: replay FOLDER\n", stderr);
    return 2;
  }
  std::mt19937 random(4711);
  size_t seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(words[1])) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::printf("%s\n", entry.path().c_str());  // the last one is to blame
    std::fflush(stdout);
    run_variants({std::istreambuf_iterator<char>(file), {}}, random);
    ++seeds;
  }
  return seeds > 0 ? 0 : 1;
}
