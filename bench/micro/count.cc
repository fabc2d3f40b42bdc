// Runs each piece a thousand times between two dumps of callgrind; see count.py, which reads them.
#include <valgrind/callgrind.h>

#include "micro/piece.h"

int main() {
  for (const banyan::bench::Piece& piece : banyan::bench::all_pieces()) {
    const std::function<void()> run = piece.make();
    for (int i = 0; i < 100; ++i) run();
    CALLGRIND_ZERO_STATS;
    for (int i = 0; i < 1000; ++i) run();
    CALLGRIND_DUMP_STATS_AT(piece.name.c_str());
  }
}
