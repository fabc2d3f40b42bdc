#include "config/sources.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace banyan::config {
namespace {

// Serialized form: the magic line, then strings as a 64-bit little-endian length and that many bytes, counts
// as the length alone, in the order of the members of Sources.
constexpr std::string_view kMagic = "banyan sources 1\n";

class Writer {
 public:
  void number(uint64_t value) {
    for (int i = 0; i < 8; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
  }
  void string(std::string_view text) {
    number(text.size());
    bytes_ += text;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_{kMagic};
};

// After the first thing that does not fit, everything reads as empty and failed() is true.
class Parser {
 public:
  explicit Parser(std::string_view bytes) : rest_(bytes) {
    failed_ = !rest_.starts_with(kMagic);
    if (!failed_) rest_.remove_prefix(kMagic.size());
  }
  uint64_t number() {
    if (failed_ || rest_.size() < 8) {
      failed_ = true;
      return 0;
    }
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value |= uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    rest_.remove_prefix(8);
    return value;
  }
  std::string string() {
    const uint64_t size = number();
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return "";
    }
    std::string text(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return text;
  }
  bool failed() const { return failed_; }
  bool complete() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_;
};

std::string error_text(int error_number) { return std::strerror(error_number); }

// Closes on every way out.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

SourceFile read_file(const std::string& path) {
  if (path.find('\0') != std::string::npos) return {"", "path has a NUL in it"};
  // Not blocking: a FIFO must not hold the master.
  Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (file.fd < 0) return {"", error_text(errno)};
  struct stat status;
  if (fstat(file.fd, &status) != 0) return {"", error_text(errno)};
  if (S_ISDIR(status.st_mode)) return {"", "Is a directory"};
  if (!S_ISREG(status.st_mode)) return {"", "Is not a regular file"};
  SourceFile result;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t size = read(file.fd, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return {"", error_text(errno)};
    if (size == 0) return result;
    result.content.append(buffer, static_cast<size_t>(size));
    if (result.content.size() > CollectedSources::kLargestFile) {
      return {"", fmt::format("Is larger than {} MiB", CollectedSources::kLargestFile >> 20)};
    }
  }
}

// Sorted by name. A pattern without a wildcard gives itself, so that a missing file is found missing.
std::vector<std::string> read_pattern(const std::string& pattern) {
  if (pattern.find_first_of("*?[") == std::string::npos) return {pattern};
  glob_t found{};
  std::vector<std::string> paths;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  return paths;
}

}  // namespace

std::string Sources::serialize() const {
  Writer writer;
  writer.string(main);
  writer.string(directory);
  writer.string(prefix);
  writer.number(overrides.size());
  for (const std::string& text : overrides) writer.string(text);
  writer.number(files.size());
  for (const auto& [path, file] : files) {
    writer.string(path);
    writer.string(file.content);
    writer.string(file.error);
  }
  writer.number(patterns.size());
  for (const auto& [pattern, paths] : patterns) {
    writer.string(pattern);
    writer.number(paths.size());
    for (const std::string& path : paths) writer.string(path);
  }
  writer.number(environment.size());
  for (const auto& [name, value] : environment) {
    writer.string(name);
    writer.number(value ? 1 : 0);
    if (value) writer.string(*value);
  }
  return writer.take();
}

Result<Sources> Sources::parse(std::string_view bytes) {
  Parser parser(bytes);
  Sources sources;
  sources.main = parser.string();
  sources.directory = parser.string();
  sources.prefix = parser.string();
  for (uint64_t n = parser.number(); n > 0 && !parser.failed(); --n)
    sources.overrides.push_back(parser.string());
  for (uint64_t n = parser.number(); n > 0 && !parser.failed(); --n) {
    SourceFile& file = sources.files[parser.string()];
    file.content = parser.string();
    file.error = parser.string();
  }
  for (uint64_t n = parser.number(); n > 0 && !parser.failed(); --n) {
    std::vector<std::string>& paths = sources.patterns[parser.string()];
    for (uint64_t m = parser.number(); m > 0 && !parser.failed(); --m) paths.push_back(parser.string());
  }
  for (uint64_t n = parser.number(); n > 0 && !parser.failed(); --n) {
    std::optional<std::string>& value = sources.environment[parser.string()];
    if (parser.number() == 1) value = parser.string();
  }
  if (!parser.complete()) return proxy_error("bytes are not the sources of a configuration");
  return sources;
}

const SourceFile& StoredSources::file(const std::string& path) {
  static const SourceFile missing{"", "Was not read when the configuration was collected"};
  auto found = sources_.files.find(path);
  return found == sources_.files.end() ? missing : found->second;
}

const std::vector<std::string>& StoredSources::match(const std::string& pattern) {
  static const std::vector<std::string> nothing;
  auto found = sources_.patterns.find(pattern);
  return found == sources_.patterns.end() ? nothing : found->second;
}

std::optional<std::string> StoredSources::environment(const std::string& name) {
  auto found = sources_.environment.find(name);
  return found == sources_.environment.end() ? std::nullopt : found->second;
}

const SourceFile& CollectedSources::file(const std::string& path) {
  auto [found, added] = sources_.files.try_emplace(path);
  if (added) found->second = read_file(path);
  return found->second;
}

const std::vector<std::string>& CollectedSources::match(const std::string& pattern) {
  auto [found, added] = sources_.patterns.try_emplace(pattern);
  if (added) found->second = read_pattern(pattern);
  return found->second;
}

std::optional<std::string> CollectedSources::environment(const std::string& name) {
  auto [found, added] = sources_.environment.try_emplace(name);
  if (const char* value = added ? std::getenv(name.c_str()) : nullptr) found->second = value;
  return found->second;
}

std::string join_path(std::string_view directory, std::string_view path) {
  if (path.starts_with('/') || directory.empty()) return std::string(path);
  while (path.starts_with("./")) path.remove_prefix(2);
  return fmt::format("{}{}{}", directory, directory.ends_with('/') ? "" : "/", path);
}

std::string directory_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return "";
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

}  // namespace banyan::config
