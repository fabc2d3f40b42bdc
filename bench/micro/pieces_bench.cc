// The time of each piece; see piece.h.
#include <benchmark/benchmark.h>

#include "micro/piece.h"

int main(int count, char** words) {
  for (const banyan::bench::Piece& piece : banyan::bench::all_pieces()) {
    benchmark::RegisterBenchmark(piece.name.c_str(), [make = piece.make](benchmark::State& state) {
      const std::function<void()> run = make();
      for (auto _ : state) run();
    });
  }
  benchmark::Initialize(&count, words);
  if (benchmark::ReportUnrecognizedArguments(count, words)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
