#include "config/section.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/formats.h"

namespace banyan::config {
namespace {

std::vector<std::string_view> known_keys(const std::vector<Field>& fields) {
  std::vector<std::string_view> keys;
  for (const Field& field : fields) keys.push_back(field.key);
  return keys;
}

}  // namespace

bool Options::operator==(const Options& other) const {
  if (section_ != other.section_) return false;
  return value_ == other.value_ ||
         (value_ && other.value_ && section_->equal(value_.get(), other.value_.get()));
}

bool Options::holds(const void* tag) const { return section_ && section_->type_tag() == tag; }

const Field* AnySection::find(std::string_view key) const {
  auto found =
      std::find_if(fields_.begin(), fields_.end(), [&](const Field& field) { return field.key == key; });
  return found == fields_.end() ? nullptr : &*found;
}

void AnySection::add(Field field, const void* fresh) {
  if (field.default_text.empty() && !field.is_required && field.shape == Shape::value) {
    field.default_text = field.print(fresh);
  }
  fields_.push_back(std::move(field));
}

bool AnySection::read_fields(const Value& table, void* object,
                             std::initializer_list<std::string_view> others) const {
  if (table.node().kind != Node::Kind::table) return table.wrong_type("a table");
  bool good = true;
  // A required key that was misspelt is not missed a second time.
  std::vector<std::string_view> misspelt;
  for (const Entry& entry : table.node().entries) {
    if (const Field* field = find(entry.key)) {
      good &= !entry.value.broken && field->read(table.entry(entry), object);
    } else if (std::find(others.begin(), others.end(), entry.key) == others.end()) {
      const std::vector<std::string_view> keys = known_keys(fields_);
      good = table.key(entry).error("unknown key" + suggestion(entry.key, keys));
      misspelt.push_back(nearest(entry.key, keys));
    }
  }
  for (const Field& field : fields_) {
    if (!field.is_required || table.has(field.key)) continue;
    if (std::find(misspelt.begin(), misspelt.end(), field.key) != misspelt.end()) continue;
    good = table.at(field.key).error("is missing");
  }
  return good;
}

std::string AnySection::print_inline(const void* object) const {
  std::string text;
  for (const Field& field : fields_) {
    const std::string value = field.print(object);
    if (value.empty()) continue;
    text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", key_text(field.key), value);
  }
  return text.empty() ? "{}" : fmt::format("{{ {} }}", text);
}

}  // namespace banyan::config
