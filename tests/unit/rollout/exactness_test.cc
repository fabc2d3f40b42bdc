// What operators are promised of the split, over all buckets and over many random keys. Seeds are fixed, so a
// test that passes passes always; the bounds are those of p = 1e-6.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "rollout/bucket.h"
#include "rollout/decide.h"

namespace banyan::rollout {
namespace {

constexpr int kKeys = 100'000;

// The value that chi-square of so many degrees of freedom exceeds with probability 1e-6 (Wilson and Hilferty
// 1931).
double chi_square_bound(double degrees) {
  const double z = 4.7534;
  const double part = 2 / (9 * degrees);
  return degrees * std::pow(1 - part + z * std::sqrt(part), 3);
}

std::string hex(uint64_t value) { return std::string(key_text(value).view()); }

// Keys as they come in practice: numbers in order, random identifiers, addresses, long tokens with one common
// beginning.
using MakeKey = std::string (*)(int i, std::mt19937_64& random);
struct Sort {
  const char* name;
  MakeKey make;
};
const std::array kSorts = {
    Sort{"numbers", [](int i, std::mt19937_64&) { return std::to_string(1'000'000 + i); }},
    Sort{"identifiers",
         [](int, std::mt19937_64& random) {
           const uint64_t high = random();
           return hex(high) + hex(random());
         }},
    Sort{"addresses",
         [](int i, std::mt19937_64&) {
           return "10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) + "." +
                  std::to_string(i & 255);
         }},
    Sort{"tokens", [](int i, std::mt19937_64&) { return "eyJhbGciOiJIUzI1NiJ9." + hex(uint64_t(i)); }},
};
const std::array<std::string, 8> kSalts = {"content",  "content2", "content-2", "Content",
                                           "checkout", "a",        "b",         "spring 2026 \xc3\xa4"};

std::vector<std::string> make_keys(const Sort& sort) {
  std::mt19937_64 random(4711);
  std::vector<std::string> keys;
  keys.reserve(kKeys);
  for (int i = 0; i < kKeys; ++i) keys.push_back(sort.make(i, random));
  return keys;
}

Plan plan_of(const std::string& salt) {
  config::Rollout rollout;
  rollout.name = "r";
  rollout.salt = salt;
  return make_plan(rollout);
}

State live(uint32_t percent) {
  State state;
  state.phase = Phase::set;
  state.percent = percent;
  return state;
}

bool is_native(const Plan& plan, uint32_t percent, std::string_view key) {
  Facts facts;
  facts.key = {KeySource::cookie, "uid", key};
  return decide(plan, live(percent), facts).side == Side::native;
}

// One key for each bucket of the plan.
std::vector<std::string> key_of_each_bucket(const Plan& plan) {
  std::vector<std::string> keys(kBuckets);
  uint32_t found = 0;
  for (uint64_t i = 0; found < kBuckets; ++i) {
    std::string key = hex(i);
    std::string& place = keys[bucket_of(plan.seed, key)];
    if (!place.empty()) continue;
    place = std::move(key);
    ++found;
  }
  return keys;
}

TEST(Exactness, OverAllBucketsEachPercentageTakesExactlyItsShareAndTheSameClients) {
  const Plan plan = plan_of("content");
  const std::vector<std::string> keys = key_of_each_bucket(plan);
  // Up in the smallest and in odd steps, past both ends, and down again.
  std::vector<uint32_t> walk = {0, 1, 2, 99, 100, 101, 1000, 2500, 3333, 4999, 5000, 5001, 7500, 9998, 9999};
  walk.push_back(kBuckets);
  walk.insert(walk.end(), walk.rbegin(), walk.rend());
  std::vector<bool> before(kBuckets, false);
  uint32_t last = 0;
  for (const uint32_t percent : walk) {
    uint32_t natives = 0;
    for (uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
      const bool native = is_native(plan, percent, keys[bucket]);
      natives += native;
      if (percent >= last) {
        ASSERT_TRUE(native || !before[bucket]) << "raised to " << percent << ": " << bucket << " went back";
      } else {
        ASSERT_TRUE(!native || before[bucket]) << "lowered to " << percent << ": " << bucket << " came";
      }
      before[bucket] = native;
    }
    ASSERT_EQ(natives, percent);
    last = percent;
  }
}

TEST(Exactness, NeitherEndDependsOnTheKey) {
  std::mt19937_64 random(7);
  for (const std::string& salt : kSalts) {
    const Plan plan = plan_of(salt);
    for (int i = 0; i < 20'000; ++i) {
      std::string key(random() % 40 + 1, '\0');
      for (char& c : key) c = static_cast<char>(random());
      ASSERT_FALSE(is_native(plan, 0, key));
      ASSERT_TRUE(is_native(plan, kBuckets, key));
    }
  }
}

TEST(Exactness, SharesOfRandomKeysAreBinomial) {
  for (const Sort& sort : kSorts) {
    const std::vector<std::string> keys = make_keys(sort);
    for (const std::string& salt : kSalts) {
      const Plan plan = plan_of(salt);
      for (const uint32_t percent : {1u, 100u, 1000u, 5000u, 9900u}) {
        int natives = 0;
        for (const std::string& key : keys) natives += is_native(plan, percent, key);
        const double share = percent / 10000.0;
        // 4.9 standard deviations, and one for the distribution being discrete at 0.01%.
        EXPECT_NEAR(natives, kKeys * share, 4.9 * std::sqrt(kKeys * share * (1 - share)) + 1)
            << sort.name << ' ' << salt << ' ' << percent;
      }
    }
  }
}

TEST(Exactness, BucketsAreUniform) {
  constexpr uint32_t kCells = 100;
  for (const Sort& sort : kSorts) {
    const std::vector<std::string> keys = make_keys(sort);
    for (const std::string& salt : kSalts) {
      std::array<int, kCells> cells{};
      for (const std::string& key : keys) ++cells[bucket_of(salt, key) / (kBuckets / kCells)];
      const double expected = double{kKeys} / kCells;
      double chi_square = 0;
      for (const int count : cells) chi_square += (count - expected) * (count - expected) / expected;
      EXPECT_LT(chi_square, chi_square_bound(kCells - 1)) << sort.name << ' ' << salt;
    }
  }
}

// For each pair of salts a table of two by two: who is native in the one is as often native in the other as
// anybody.
TEST(Exactness, RolloutsWithDifferentSaltsAreIndependent) {
  for (const Sort& sort : kSorts) {
    const std::vector<std::string> keys = make_keys(sort);
    for (const uint32_t percent : {1000u, 5000u}) {
      std::array<std::vector<bool>, kSalts.size()> natives;
      for (size_t i = 0; i < kSalts.size(); ++i) {
        for (const std::string& key : keys) natives[i].push_back(bucket_of(kSalts[i], key) < percent);
      }
      for (size_t a = 0; a < kSalts.size(); ++a) {
        for (size_t b = a + 1; b < kSalts.size(); ++b) {
          double table[2][2] = {};
          for (int i = 0; i < kKeys; ++i) ++table[natives[a][i]][natives[b][i]];
          const double row = table[1][0] + table[1][1];
          const double column = table[0][1] + table[1][1];
          const double determinant = table[0][0] * table[1][1] - table[0][1] * table[1][0];
          const double chi_square =
              kKeys * determinant * determinant / (row * (kKeys - row) * column * (kKeys - column));
          EXPECT_LT(chi_square, chi_square_bound(1))
              << sort.name << ' ' << percent << ": " << kSalts[a] << " and " << kSalts[b];
        }
      }
    }
  }
}

}  // namespace
}  // namespace banyan::rollout
