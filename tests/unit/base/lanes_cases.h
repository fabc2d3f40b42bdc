// What both kinds of Lanes must do: for each byte what the byte itself says.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string_view>

namespace banyan_test {

template <class Lanes>
void expect_first(typename Lanes::Found found, std::string_view text, bool (*is_one)(unsigned char)) {
  size_t first = 0;
  while (first < text.size() && !is_one(static_cast<unsigned char>(text[first]))) ++first;
  ASSERT_EQ(found != 0, first < text.size());
  if (found) {
    ASSERT_EQ(Lanes::first(found), first);
  }
}

template <class Lanes>
void expect_agreement(const Lanes& lanes, std::string_view text) {
  expect_first<Lanes>(lanes.below(0x20), text, [](unsigned char c) { return c < 0x20; });
  expect_first<Lanes>(lanes.below(0x80), text, [](unsigned char c) { return c < 0x80; });
  expect_first<Lanes>(lanes.from(0x7f), text, [](unsigned char c) { return c >= 0x7f; });
  expect_first<Lanes>(lanes.from(0x80), text, [](unsigned char c) { return c >= 0x80; });
  expect_first<Lanes>(lanes.equal('"'), text, [](unsigned char c) { return c == '"'; });
  expect_first<Lanes>(lanes.equal(0), text, [](unsigned char c) { return c == 0; });
}

// Bytes around the limits, in all their neighbourhoods.
template <class Lanes>
void agree_with_bytes() {
  constexpr unsigned char kBytes[] = {0,   1,    0x1f, 0x20, 0x21, '"',  '#',
                                      'a', 0x7e, 0x7f, 0x80, 0x9f, 0xa2, 0xff};
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::array<char, Lanes::kCount> text;
    for (char& c : text) c = static_cast<char>(random() % 3 ? 'a' : kBytes[random() % std::size(kBytes)]);
    expect_agreement(Lanes(text.data()), std::string_view(text.data(), text.size()));
    const std::string_view part(text.data(), random() % text.size());
    std::array<char, Lanes::kCount> spaced;
    spaced.fill(' ');
    part.copy(spaced.data(), part.size());
    expect_agreement(Lanes::padded(part), std::string_view(spaced.data(), spaced.size()));
  }
}

}  // namespace banyan_test
