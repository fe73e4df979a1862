"""octavo where its users are: a module per package, each of which is imported by its module alone.

    octavo.integrations.sentence_transformers    SentenceTransformer, CrossEncoder (needs no other package)
    octavo.integrations.langchain                OctavoEmbeddings
    octavo.integrations.llama_index              OctavoEmbedding
    octavo.integrations.haystack                 OctavoTextEmbedder, OctavoDocumentEmbedder
    octavo.integrations.chroma                   OctavoEmbeddingFunction
    octavo.integrations.ray                      Embedder of Ray Data; embed, a job of octavo.batch
    octavo.integrations.spark                    with_embeddings, embed_udf; embed, a job of octavo.batch
"""
