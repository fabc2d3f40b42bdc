#include "config/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "config/names.h"

namespace banyan::config {
namespace {

constexpr size_t kShortList = 16;
constexpr size_t kLongestWord = 64;

// Optimal string alignment: insert, delete, replace and swap of neighbours cost one each.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string Diagnostic::text() const {
  return fmt::format("{}: {}{}{}{}", where.text(), severity == Severity::warning ? "warning: " : "", path,
                     path.empty() ? "" : ": ", message);
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Diagnostic::Severity::error; });
}

std::string to_text(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) text += diagnostic.text() + "\n";
  return text;
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  if (word.empty() || word.size() > kLongestWord) return {};
  const std::string wanted = lower(word);
  const size_t allowed = word.size() <= 3 ? 1 : word.size() <= 6 ? 2 : 3;
  std::string_view best;
  size_t best_distance = allowed + 1;
  for (std::string_view candidate : candidates) {
    size_t distance = edit_distance(wanted, lower(candidate));
    // "timeout" for "timeouts", "cert" for "certificate": a beginning counts as nearly right.
    if (word.size() >= 4 && candidate.starts_with(word)) distance = std::min<size_t>(distance, 1);
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string suggestion(std::string_view word, const std::vector<std::string_view>& candidates) {
  if (std::string_view best = nearest(word, candidates); !best.empty()) {
    return fmt::format("; did you mean {}?", best);
  }
  if (candidates.empty() || candidates.size() > kShortList) return "";
  return fmt::format("; known {} {}", candidates.size() == 1 ? "is" : "are", fmt::join(candidates, ", "));
}

}  // namespace banyan::config
