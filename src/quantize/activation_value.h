// Activations as functions of a real number: what tables of integers are made of.
#pragma once

#include "graph/graph.h"

namespace octavo {

/// Of Activation::none the number itself.
double activation_value(Activation activation, double x);

}  // namespace octavo
