#include "model_file/fields.h"

namespace octavo {

void Fields::number(std::string_view key, double& value, double smallest, double largest) {
  if (reads())
    value = read_->number(key, smallest, largest);
  else
    put(key, value);
}

void Fields::flag(std::string_view key, bool& value) {
  if (reads())
    value = read_->flag(key);
  else
    put(key, value);
}

void Fields::text(std::string_view key, std::string& value) {
  if (reads())
    value = read_->text(key);
  else
    put(key, value);
}

void Fields::integers(std::string_view key, std::vector<int>& values, int smallest, int largest) {
  if (reads())
    values = read_->integers(key, smallest, largest);
  else
    put(key, values);
}

void Fields::number_or_zero(std::string_view key, double& value, double smallest, double largest) {
  if (has(key, value != 0.0))
    number(key, value, smallest, largest);
  else
    value = 0.0;
}

void Fields::flag_or_false(std::string_view key, bool& value) {
  if (has(key, value))
    flag(key, value);
  else
    value = false;
}

}  // namespace octavo
