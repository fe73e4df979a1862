// Samples that octavo brings along, to calibrate on where there are no better ones: texts, pairs of texts, pictures.
#pragma once

#include "octavo/image.h"

#include <span>
#include <string>
#include <vector>

namespace octavo {

/// Gives texts that were written for octavo: English sentences, paragraphs and pages, words and titles, questions, chat
/// and reviews, numbers, code, and nine other languages. However many of the first are taken, they are a fair mixture.
/// They stay where they are as long as the program runs.
std::span<const std::string> sample_texts();

/// Two texts that a model reads together.
struct TextPair {
  std::string first, second;
};

/// Makes pairs of texts that may or may not have to do with each other: of each text with several sentences the first
/// two, and of each of the others it and the next. Gives no pairs of fewer than two sentences.
std::vector<TextPair> sentence_pairs(std::span<const std::string> texts);

/// Makes pairs of a question and a text around its answer: a sentence of each text with several, as if it were one, and
/// that text. Of the other texts, several in a row are put together to one. Gives no pairs of fewer than two sentences.
std::vector<TextPair> question_pairs(std::span<const std::string> texts);

/// Makes a picture of `size` x `size` pixels that no two numbers have in common: overlapping discs, rectangles and
/// stripes of all sizes before a sky of clouds, each with colours, shading and grain of its own, as the edges and
/// textures of photographs are distributed. The same on every machine. Throws Error when `size` is not 1 to 4096.
Image sample_picture(unsigned number, int size);

}  // namespace octavo
