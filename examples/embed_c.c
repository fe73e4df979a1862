/* Texts to embeddings in C: how close each text is to the first one.
 * Usage: embed_c MODEL TEXT TEXT... */
#include <octavo/octavo.h>
#include <stdio.h>
#include <stdlib.h>

static void require(octavo_status status) {
  if (status == OCTAVO_OK) return;
  fprintf(stderr, "%s\n", octavo_last_error());
  exit(1);
}

int main(int argc, char** argv) {
  octavo_model* model = NULL;
  octavo_session* session = NULL; /* the threads and buffers of one caller */
  octavo_texts texts = {.struct_size = sizeof texts};
  octavo_embed_options options = {.struct_size = sizeof options, .normalize = OCTAVO_ON};
  size_t columns = 0;
  if (argc < 4) {
    fprintf(stderr, "usage: %s MODEL TEXT TEXT...\n", argv[0]);
    return 2;
  }
  texts.count = (size_t)argc - 2;
  texts.pointers = (const char* const*)argv + 2;
  require(octavo_model_open(argv[1], NULL, &model));
  require(octavo_session_create(model, NULL, &session));
  require(octavo_embedding_size(model, &options, &columns));

  float* embeddings = malloc(texts.count * columns * sizeof(float)); /* [texts, columns] */
  if (embeddings == NULL) return 1;
  require(octavo_embed(session, &texts, &options, embeddings, texts.count * columns));
  for (size_t text = 1; text < texts.count; ++text) {
    double closeness = 0.0;
    for (size_t i = 0; i < columns; ++i) closeness += (double)embeddings[i] * embeddings[text * columns + i];
    printf("%.4f  %s\n", closeness, texts.pointers[text]);
  }
  free(embeddings);
  octavo_session_free(session);
  octavo_model_release(model);
  return 0;
}
