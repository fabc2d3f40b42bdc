// Replacing a file so that after any crash either the old or the new one is there, whole. In steps, so that
// something else can be made durable between them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace banyan::control {

// Writes PATH.new and syncs it. After an error there is no PATH.new.
Result<void> write_replacement(const std::string& path, std::string_view content);
// Renames PATH.new to PATH and syncs the folder. After an error PATH is the old one or the new one.
Result<void> commit_replacement(const std::string& path);
// Removes PATH.new.
void discard_replacement(const std::string& path);

// All of a file. Errors: it cannot be read, or has more than `limit` bytes. `missing` is set if there is
// none.
Result<std::string> read_whole(const std::string& path, size_t limit, bool& missing);

// Writes all of it, whatever the kernel takes at once.
Result<void> write_all(int fd, std::string_view content);

}  // namespace banyan::control
