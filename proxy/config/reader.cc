#include "config/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "config/names.h"

namespace banyan::config {
namespace {

constexpr size_t kLongestQuote = 60;

// The text in quotes, on one line, not too long and free of control characters: it goes to terminals and
// logs.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (char c : text.substr(0, kLongestQuote)) {
    result += is_field_value({&c, 1}) && c != '\t' ? c : '?';
  }
  // Not in the middle of a UTF-8 sequence.
  if (text.size() > kLongestQuote) {
    while (!result.empty() && (result.back() & 0xc0) == 0x80) result.pop_back();
    if (!result.empty() && (result.back() & 0x80)) result.pop_back();
    result += "...";
  }
  return result + "\"";
}

}  // namespace

const Entry* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

Entry* Node::find(std::string_view key) { return const_cast<Entry*>(std::as_const(*this).find(key)); }

std::string Node::describe() const {
  switch (kind) {
    case Kind::boolean:
      return flag ? "the boolean true" : "the boolean false";
    case Kind::integer:
      return fmt::format("the integer {}", integer);
    case Kind::number:
      return fmt::format("the number {}", number);
    case Kind::string:
      // What came from the environment may be secret.
      return from_environment ? "a string from the environment"
                              : fmt::format("the string {}", quoted(string));
    case Kind::time:
      return "a date or time";
    case Kind::array:
      return items.empty() ? "an empty array" : "an array";
    case Kind::table:
      return "a table";
  }
  return "";
}

uint32_t Reader::add_file(std::string name, std::string directory) {
  files_.push_back({std::move(name), std::move(directory)});
  return static_cast<uint32_t>(files_.size() - 1);
}

Where Reader::where(Position position) const {
  return {files_[position.file].name, position.line, position.column};
}

std::string Reader::absolute(Position position, std::string_view path) const {
  return join_path(files_[position.file].directory, path);
}

void Reader::report(Diagnostic::Severity severity, Position position, std::string path, std::string message) {
  reports_.push_back({position, {severity, where(position), std::move(path), std::move(message)}});
}

bool Reader::has_errors() const {
  return std::any_of(reports_.begin(), reports_.end(), [](const Report& report) {
    return report.diagnostic.severity == Diagnostic::Severity::error;
  });
}

std::vector<Diagnostic> Reader::take_diagnostics() {
  std::stable_sort(reports_.begin(), reports_.end(), [](const Report& a, const Report& b) {
    return std::tie(a.position.file, a.position.line, a.position.column) <
           std::tie(b.position.file, b.position.line, b.position.column);
  });
  std::vector<Diagnostic> diagnostics;
  diagnostics.reserve(reports_.size());
  for (Report& report : reports_) diagnostics.push_back(std::move(report.diagnostic));
  reports_.clear();
  return diagnostics;
}

bool Value::error(std::string message) const {
  reader_->report(Diagnostic::Severity::error, position_, path_, std::move(message));
  return false;
}

void Value::warn(std::string message) const {
  reader_->report(Diagnostic::Severity::warning, position_, path_, std::move(message));
}

bool Value::wrong_type(std::string_view expected) const {
  if (node_->broken) return false;
  return error(fmt::format("must be {}, found {}", expected, node_->describe()));
}

std::string Value::child_path(std::string_view key) const {
  const std::string name = is_bare_key(key) ? std::string(key) : quoted(key);
  return path_.empty() ? name : fmt::format("{}.{}", path_, name);
}

Value Value::item(size_t index) const {
  return Value(*reader_, node_->items[index], fmt::format("{}[{}]", path_, index));
}

Value Value::entry(const Entry& entry) const { return Value(*reader_, entry.value, child_path(entry.key)); }

Value Value::key(const Entry& entry) const {
  Value value = this->entry(entry);
  value.position_ = entry.where;
  return value;
}

Value Value::at(std::string_view name) const {
  if (const Entry* found = node_->find(name)) return entry(*found);
  Value value = *this;
  value.path_ = child_path(name);
  return value;
}

const std::string* Value::string(std::string_view expected) const {
  if (node_->kind == Node::Kind::string && !node_->broken) return &node_->string;
  wrong_type(expected);
  return nullptr;
}

}  // namespace banyan::config
