// Where the checkout is, for tests that read files of it: the nearest folder above the one the test runs in
// (ctest starts it inside the build folder). Not from __FILE__, which may be relative to anything.
#pragma once

#include <filesystem>

namespace banyan::support {

inline std::filesystem::path source_root() {
  auto folder = std::filesystem::current_path();
  while (!std::filesystem::exists(folder / "tests/golden") && folder.has_relative_path())
    folder = folder.parent_path();
  return folder;
}

}  // namespace banyan::support
