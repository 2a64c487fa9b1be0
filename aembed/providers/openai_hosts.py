"""Hosts of open models that speak OpenAI's API: each is a row of facts, without code.

Dimensions of open models without a row are checked by name, see ``_wire/matryoshka``. A batch that is too large for a
host is halved. Where a host publishes no cap on the texts of a request, the cap here is ours, 128.

Sources, read on 2026-11-28:

- Together: https://docs.together.ai/docs/embeddings-rest (address, key), https://docs.together.ai/reference/embeddings;
  api.together.ai as another name of the host is (unconfirmed).
- Fireworks: https://docs.fireworks.ai/guides/querying-embeddings-models (address, models, ``dimensions``) and
  https://docs.fireworks.ai/api-reference/creates-an-embedding-vector-representing-the-input-text (8192 tokens of
  nomic-embed-text-v1.5; arrays of up to 2048). LangChain.js says that a request takes 8 texts (unconfirmed).
- DeepInfra: https://docs.deepinfra.com/api-reference/openai-embeddings-1 (base64; ``dimensions`` from 32 on, and zeros
  are appended to a vector where it is larger than the model's), https://deepinfra.com/intfloat/multilingual-e5-large/api
  (DEEPINFRA_TOKEN, price), .../multilingual-e5-large-instruct/api (silent truncation at 512 tokens). 1024 texts and
  DEEPINFRA_API_TOKEN are LangChain's; DEEPINFRA_API_KEY is LiteLLM's (unconfirmed).
- Nebius Token Factory: https://docs.tokenfactory.nebius.com/api-reference/inference/create-embeddings (address, base64,
  ``dimensions``), llama-index-embeddings-nebius (NEBIUS_API_KEY, 4096 of bge-en-icl); the dimension of
  bge-multilingual-gemma2 is that of its model card.
- OpenRouter: https://openrouter.ai/docs/api/api-reference/embeddings/create-embeddings (address, base64,
  ``dimensions``), its pages of the models (lengths, prices).
- Hugging Face Inference Providers: huggingface_hub 2.4 ``inference/_providers/hf_inference.py`` and
  ``InferenceClient.feature_extraction`` (path and fields, those of Text Embeddings Inference); this is the one row that
  does not speak OpenAI's API, for the router serves embeddings by ``hf-inference`` alone.
- Scaleway: https://www.scaleway.com/en/docs/generative-apis/api-cli/using-embeddings-api (address, SCW_SECRET_KEY;
  ``encoding_format`` and ``dimensions`` are not supported), .../reference-content/rate-limits (limits are by model).
- SiliconFlow: https://docs.siliconflow.cn/en/api-reference/embeddings/create-embeddings (address, lengths, base64,
  ``dimensions`` of Qwen3), https://docs.siliconflow.com for the international host; SILICONFLOW_API_KEY is that of
  oceanbase's and others' integrations. 64 texts a request is (unconfirmed).
- DashScope: https://help.aliyun.com/en/model-studio/text-embedding-synchronous-api (address, DASHSCOPE_API_KEY, texts,
  lengths, dimensions), https://www.alibabacloud.com/help/en/model-studio/text-embedding-synchronous-api (the price in
  Beijing, in US dollars; the host in Singapore, which needs other keys).
"""

from __future__ import annotations

from dataclasses import replace

from aembed.http import OPENAI_REPLY, HostedModel
from aembed.providers.openai import COMPATIBLE
from aembed.providers.openai import MODELS as OPENAI_MODELS
from aembed.providers.tei import TEI

E5_LARGE = HostedModel(dim=1024, max_text_tokens=512)
E5_MISTRAL = HostedModel(dim=4096, max_text_tokens=4096)
BGE_GEMMA = HostedModel(dim=3584)
BGE_LARGE = HostedModel(dim=1024, max_text_tokens=512)
BGE_M3 = HostedModel(dim=1024, max_text_tokens=8192)
NOMIC = HostedModel(dim=768, dimensions=range(64, 769), max_text_tokens=8192)
QWEN3_8B = HostedModel(dim=4096, dimensions=range(32, 4097), max_text_tokens=32_768)
QWEN3_4B = replace(QWEN3_8B, dim=2560, dimensions=range(32, 2561))
QWEN3_SMALL = replace(QWEN3_8B, dim=1024, dimensions=range(32, 1025))

HOST = replace(COMPATIBLE, needs_key=True, tries_v1=False)

TOGETHER = replace(
    HOST,
    about="Together AI: open models through OpenAI's API.",
    key_variables=("TOGETHER_API_KEY",),
    base_url="https://api.together.xyz/v1",
    own_hosts=("api.together.xyz", "api.together.ai"),
    example_model="intfloat/multilingual-e5-large-instruct",
    models={
        "intfloat/multilingual-e5-large-instruct": replace(E5_LARGE, max_text_tokens=514, price=0.02),
        "togethercomputer/m2-bert-80M-8k-retrieval": HostedModel(dim=768, max_text_tokens=8192),
    },
)
FIREWORKS = replace(
    HOST,
    about="Fireworks AI: open models through OpenAI's API.",
    key_variables=("FIREWORKS_API_KEY",),
    base_url="https://api.fireworks.ai/inference/v1",
    own_hosts=("api.fireworks.ai",),
    example_model="fireworks/qwen3-embedding-8b",
    models={
        "fireworks/qwen3-embedding-8b": QWEN3_8B,
        "fireworks/qwen3-embedding-4b": QWEN3_4B,
        "fireworks/qwen3-embedding-0p6b": QWEN3_SMALL,
        "nomic-ai/nomic-embed-text-v1.5": NOMIC,
        "WhereIsAI/UAE-Large-V1": HostedModel(dim=1024),
    },
)
DEEPINFRA = replace(
    HOST,
    about="DeepInfra: open models through OpenAI's API.",
    key_variables=("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN", "DEEPINFRA_API_TOKEN"),
    base_url="https://api.deepinfra.com/v1/openai",
    own_hosts=("api.deepinfra.com",),
    example_model="BAAI/bge-m3",
    models={
        "BAAI/bge-m3": BGE_M3,
        "intfloat/multilingual-e5-large": replace(E5_LARGE, price=0.01),
        "intfloat/multilingual-e5-large-instruct": E5_LARGE,
        "Qwen/Qwen3-Embedding-8B": QWEN3_8B,
    },
    max_batch_texts=1024,
    truncates_silently=True,
)
NEBIUS = replace(
    HOST,
    about="Nebius Token Factory: open models through OpenAI's API.",
    key_variables=("NEBIUS_API_KEY",),
    base_url="https://api.tokenfactory.nebius.com/v1",
    own_hosts=("api.tokenfactory.nebius.com", "api.studio.nebius.com"),
    example_model="Qwen/Qwen3-Embedding-8B",
    models={
        "BAAI/bge-en-icl": HostedModel(dim=4096),
        "BAAI/bge-multilingual-gemma2": BGE_GEMMA,
        "intfloat/e5-mistral-7b-instruct": E5_MISTRAL,
        "Qwen/Qwen3-Embedding-8B": QWEN3_8B,
    },
)
OPENROUTER = replace(
    HOST,
    about="OpenRouter: models of many hosts through OpenAI's API.",
    key_variables=("OPENROUTER_API_KEY",),
    base_url="https://openrouter.ai/api/v1",
    own_hosts=("openrouter.ai",),
    example_model="qwen/qwen3-embedding-8b",
    models={
        **{f"openai/{name}": replace(model, max_text_tokens=8192) for name, model in OPENAI_MODELS.items()},
        "intfloat/multilingual-e5-large": replace(E5_LARGE, price=0.01),
        "qwen/qwen3-embedding-8b": replace(QWEN3_8B, price=0.01),
    },
)
HUGGINGFACE = replace(
    TEI,
    about="Hugging Face Inference Providers: models of the hub, served by hf-inference.",
    key_variables=("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
    base_url="https://router.huggingface.co/hf-inference",
    path="/models/{model}/pipeline/feature-extraction",
    url_endings=("/v1", "/models"),
    own_hosts=("router.huggingface.co",),
    needs_key=True,
    default_model=None,
    example_model="BAAI/bge-small-en-v1.5",
    adaptive=False,
)
SCALEWAY = replace(
    HOST,
    about="Scaleway Generative APIs: open models through OpenAI's API, in Paris.",
    key_variables=("SCW_SECRET_KEY",),
    base_url="https://api.scaleway.ai/v1",
    own_hosts=("api.scaleway.ai",),
    example_model="bge-multilingual-gemma2",
    models={"bge-multilingual-gemma2": BGE_GEMMA},
    reply=replace(OPENAI_REPLY, base64_key=None),
    quota_scope="model",
)
SILICONFLOW = replace(
    HOST,
    about="SiliconFlow: open models through OpenAI's API.",
    key_variables=("SILICONFLOW_API_KEY",),
    base_url="https://api.siliconflow.cn/v1",
    own_hosts=("api.siliconflow.cn", "api.siliconflow.com", "api.ap.siliconflow.com"),
    example_model="BAAI/bge-m3",
    models={
        "BAAI/bge-large-en-v1.5": BGE_LARGE,
        "BAAI/bge-large-zh-v1.5": BGE_LARGE,
        "BAAI/bge-m3": BGE_M3,
        "Pro/BAAI/bge-m3": BGE_M3,
        "netease-youdao/bce-embedding-base_v1": HostedModel(dim=768, max_text_tokens=512),
        "Qwen/Qwen3-Embedding-8B": QWEN3_8B,
        "Qwen/Qwen3-Embedding-4B": QWEN3_4B,
        "Qwen/Qwen3-Embedding-0.6B": QWEN3_SMALL,
    },
    max_batch_texts=64,
)
DASHSCOPE = replace(
    HOST,
    about="Alibaba Cloud Model Studio (DashScope), through OpenAI's API.",
    key_variables=("DASHSCOPE_API_KEY",),
    base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
    own_hosts=("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com"),
    default_model="text-embedding-v4",
    models={
        "text-embedding-v4": HostedModel(
            dim=1024, dimensions=(64, 128, 256, 512, 768, 1024, 1536, 2048), max_text_tokens=8192, price=0.072
        ),
        "text-embedding-v3": HostedModel(dim=1024, dimensions=(64, 128, 256, 512, 768, 1024), max_text_tokens=8192),
        "text-embedding-v2": HostedModel(dim=1536, max_text_tokens=2048, max_batch_texts=25),
        "text-embedding-v1": HostedModel(dim=1536, max_text_tokens=2048, max_batch_texts=25),
    },
    max_batch_texts=10,
    quota_scope="model",
)
