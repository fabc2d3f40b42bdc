// Tables of configuration keys. One row for each key says how its text is read and printed, where its value
// goes and what the manual tells about it; reading, errors about unknown keys, -T and banyan.toml(5) all come
// from the rows.
//
// A handler brings its own table:
//
//   struct EchoOptions {
//     uint64_t max_body = 1 << 20;
//     std::string greeting;
//     bool operator==(const EchoOptions&) const = default;
//   };
//   const config::Section<EchoOptions>& echo_section() {
//     static const config::Section<EchoOptions> section(
//         "echo", "Answers with what it received.",
//         {config::field("max_body", &EchoOptions::max_body, config::size(), "Longest body that is sent
//         back."),
//          config::field("greeting", &EchoOptions::greeting, config::text(), "Stands before the body.")});
//     return section;
//   }
//
// Defaults are those of a fresh struct; the manual prints them from there.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/options.h"
#include "config/reader.h"

namespace banyan::config {

// How a key looks in a file: key = value, [key], [[key]] or [key.NAME].
enum class Shape { value, table, tables, named };

// A table inside of a value, for printing.
struct Child {
  std::string name;  // of Shape::named
  const AnySection* section = nullptr;
  const void* object = nullptr;
  Where where;
  std::string lead;  // lines before those of the section, each with newline
};
using Visit = std::function<void(const Child&)>;

// How values of type V are read and printed.
template <class V>
struct Format {
  std::string type;  // for the manual: "duration"
  // False after it reported an error; the value is unchanged then.
  std::function<bool(const Value&, V&)> read;
  // As TOML on one line; "" leaves the key out.
  std::function<std::string(const V&)> print;
  // For values that are tables: what is in them, and how to print them as blocks.
  Shape shape = Shape::value;
  const AnySection* section = nullptr;
  std::function<void(const V&, const Visit&)> children = {};
};

// A row without its C++ types. The objects are the T of its Section<T>.
struct Field {
  std::string key;
  std::string type;
  std::string doc;           // one or two sentences
  std::string default_text;  // as TOML; empty: there is none
  bool is_required = false;
  bool is_for_restart = false;
  Shape shape = Shape::value;
  const AnySection* section = nullptr;
  std::function<bool(const Value&, void* object)> read;
  std::function<std::string(const void* object)> print;
  std::function<void(const void* object, const Visit&)> children;
};

// A row that is being written: field(...).required().
template <class T>
class Row {
 public:
  explicit Row(Field field) : field_(std::move(field)) {}
  Row required() && { return field_.is_required = true, std::move(*this); }
  // A change takes effect at the next start only; reload warns.
  Row needs_restart() && { return field_.is_for_restart = true, std::move(*this); }
  // For defaults that a fresh struct does not show: "RUN_DIR/admin.sock". Words, not TOML.
  Row shown_default(std::string text) && { return field_.default_text = std::move(text), std::move(*this); }
  const Field& field() const { return field_; }

 private:
  Field field_;
};

// A row for one member.
template <class T, class V>
Row<T> field(std::string key, V T::*member, Format<V> format, std::string doc) {
  Field row;
  row.key = std::move(key);
  row.type = format.type;
  row.doc = std::move(doc);
  row.shape = format.shape;
  row.section = format.section;
  row.read = [member, read = format.read](const Value& value, void* object) {
    return read(value, static_cast<T*>(object)->*member);
  };
  row.print = [member, print = format.print](const void* object) {
    return print(static_cast<const T*>(object)->*member);
  };
  if (format.children) {
    row.children = [member, children = format.children](const void* object, const Visit& visit) {
      children(static_cast<const T*>(object)->*member, visit);
    };
  }
  return Row<T>(std::move(row));
}

// A table of rows without the C++ type of its struct.
class AnySection {
 public:
  AnySection(const AnySection&) = delete;
  AnySection& operator=(const AnySection&) = delete;

  // "echo"; for a handler type, the word after `type =`.
  const std::string& name() const { return name_; }
  const std::string& doc() const { return doc_; }
  const std::vector<Field>& fields() const { return fields_; }
  const Field* find(std::string_view key) const;

  // Reads a table into `object`, reporting all that is wrong; `others` are keys that somebody else reads.
  // True if nothing was.
  virtual bool read(const Value& table, void* object,
                    std::initializer_list<std::string_view> others = {}) const = 0;
  virtual std::shared_ptr<void> make() const = 0;
  virtual bool equal(const void* a, const void* b) const = 0;
  virtual const void* type_tag() const = 0;
  // "{ path = \"off\", format = \"json\" }"
  std::string print_inline(const void* object) const;

 protected:
  AnySection(std::string name, std::string doc) : name_(std::move(name)), doc_(std::move(doc)) {}
  ~AnySection() = default;
  void add(Field field, const void* fresh);
  bool read_fields(const Value& table, void* object, std::initializer_list<std::string_view> others) const;

 private:
  std::string name_;
  std::string doc_;
  std::vector<Field> fields_;
};

// The rows of T, which is default-constructible and equality-comparable. A member `Where where` is set to the
// place of the table. Sections are static constants: a value's Options point to them.
template <class T>
class Section final : public AnySection {
 public:
  // Looks at the whole table after its keys were read, also when some were wrong: reports what is wrong
  // between keys, value.at("key").error("..."), and derives values from others.
  using Finish = std::function<void(T& object, const Value& value)>;

  Section(std::string name, std::string doc, std::initializer_list<Row<T>> rows, Finish finish = nullptr)
      : AnySection(std::move(name), std::move(doc)), finish_(std::move(finish)) {
    const T fresh{};
    for (const Row<T>& row : rows) add(row.field(), &fresh);
  }

  bool read(const Value& table, void* object,
            std::initializer_list<std::string_view> others = {}) const override {
    T& target = *static_cast<T*>(object);
    if constexpr (requires { target.where = table.where(); }) target.where = table.where();
    const bool good = read_fields(table, object, others);
    if (finish_ && table.node().kind == Node::Kind::table) finish_(target, table);
    return good;
  }
  std::shared_ptr<void> make() const override { return std::make_shared<T>(); }
  bool equal(const void* a, const void* b) const override {
    return *static_cast<const T*>(a) == *static_cast<const T*>(b);
  }
  const void* type_tag() const override { return Options::type_tag<T>(); }

 private:
  Finish finish_;
};

// For a Finish: of two keys of `table`, `small` is not to be above `large`. The default of one gives way to
// the other that is said; who says both, and wrong, is told so.
template <class T>
void keep_in_order(const Value& table, std::string_view small_key, T& small, std::string_view large_key,
                   T& large) {
  if (small <= large) return;
  if (!table.has(small_key)) {
    small = large;
  } else if (!table.has(large_key)) {
    large = small;
  } else {
    table.at(small_key).error("must not be above " + std::string(large_key));
  }
}

}  // namespace banyan::config
