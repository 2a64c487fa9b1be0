"""The facts of every model that is known without asking, as a table: each figure is the vendor's own.

A change of a catalogue is made here too, and so read twice. The sources are in the providers' docstrings.
"""

from __future__ import annotations

from typing import Any

import pytest

from aembed import ModelSpec
from aembed._wire.catalogue import HostedModel
from aembed._wire.matryoshka import OPEN_MODELS
from aembed.http import HttpApi
from aembed.providers import azure, cohere, google, jina, mistral, ollama, openai, openai_hosts, tei, voyage
from aembed.providers.known_models import KNOWN_MODELS
from tests.provider_requests import opened
from tests.wire.fake import Fake

# model, dimension, dimensions that may be asked for, tokens of a text, tokens and texts of a request, US dollars for a
# million tokens
HOSTED = """
    openai:text-embedding-3-small         1536  1-1536                      8192    300000   2048  0.02
    openai:text-embedding-3-large         3072  1-3072                      8192    300000   2048  0.13
    openai:text-embedding-ada-002         1536  -                           8192    300000   2048  0.1
    cohere:embed-v5.0-pro                 2048  256,512,768,1024,1536,2048  128000  128000   96    0.12
    cohere:embed-v5.0-fast                2048  256,512,768,1024,1536,2048  128000  128000   96    0.08
    cohere:embed-v4.0                     1536  256,512,1024,1536           128000  128000   96    0.12
    cohere:embed-english-v3.0             1024  -                           512     -        96    -
    cohere:embed-multilingual-v3.0        1024  -                           512     -        96    -
    cohere:embed-english-light-v3.0       384   -                           512     -        96    -
    cohere:embed-multilingual-light-v3.0  384   -                           512     -        96    -
    google:gemini-embedding-001           3072  128-3072                    2048    -        100   0.15
    google:gemini-embedding-2             3072  128-3072                    8192    -        100   0.2
    jina:jina-embeddings-v5-text-small    1024  32,64,128,256,512,1024      32768   -        2048  -
    jina:jina-embeddings-v5-text-nano     768   32,64,128,256,512,768       8192    -        2048  -
    jina:jina-embeddings-v5-omni-small    1024  32,64,128,256,512,1024      32768   -        2048  -
    jina:jina-embeddings-v5-omni-nano     768   32,64,128,256,512,768       8192    -        2048  -
    jina:jina-embeddings-v4               2048  128,256,512,1024,2048       32768   -        512   -
    jina:jina-embeddings-v3               1024  32-1024                     8192    -        2048  -
    jina:jina-code-embeddings-1.5b        1536  128,256,512,1024,1536       32768   -        2048  -
    jina:jina-code-embeddings-0.5b        896   64,128,256,512,896          32768   -        2048  -
    jina:jina-embeddings-v2-base-en       768   -                           8192    -        2048  -
    jina:jina-embeddings-v2-base-de       768   -                           8192    -        2048  -
    jina:jina-embeddings-v2-base-es       768   -                           8192    -        2048  -
    jina:jina-embeddings-v2-base-zh       768   -                           8192    -        2048  -
    jina:jina-embeddings-v2-base-code     768   -                           8192    -        2048  -
    mistral:mistral-embed                 1024  -                           8192    16384    256   0.1
    mistral:mistral-embed-2312            1024  -                           8192    16384    256   0.1
    mistral:codestral-embed               1536  1-3072                      8192    16384    256   0.15
    mistral:codestral-embed-2505          1536  1-3072                      8192    16384    256   0.15
    voyage:voyage-4-large                 1024  256,512,1024,2048           32000   120000   1000  0.12
    voyage:voyage-4                       1024  256,512,1024,2048           32000   320000   1000  0.06
    voyage:voyage-4-lite                  1024  256,512,1024,2048           32000   1000000  1000  0.02
    voyage:voyage-code-4                  1024  256,512,1024,2048           32000   120000   1000  0.12
    voyage:voyage-3-large                 1024  256,512,1024,2048           32000   120000   1000  0.18
    voyage:voyage-3.5                     1024  256,512,1024,2048           32000   320000   1000  0.06
    voyage:voyage-3.5-lite                1024  256,512,1024,2048           32000   1000000  1000  0.02
    voyage:voyage-code-3                  1024  256,512,1024,2048           32000   120000   1000  0.18
    voyage:voyage-finance-2               1024  -                           32000   120000   1000  0.12
    voyage:voyage-law-2                   1024  -                           16000   120000   1000  0.12
    voyage:voyage-3                       1024  -                           32000   320000   1000  0.06
    voyage:voyage-3-lite                  512   -                           32000   1000000  1000  0.02
    voyage:voyage-multilingual-2          1024  -                           32000   120000   1000  0.12
    voyage:voyage-large-2-instruct        1024  -                           16000   120000   1000  0.12
    voyage:voyage-large-2                 1536  -                           16000   120000   1000  0.12
    voyage:voyage-code-2                  1536  -                           16000   120000   1000  0.12
    voyage:voyage-2                       1024  -                           4000    320000   1000  0.1
"""

# models that other hosts offer through OpenAI's API, with the same columns
OF_OTHER_HOSTS = """
    together:intfloat/multilingual-e5-large-instruct    1024  -                                  514    -  -   0.02
    together:togethercomputer/m2-bert-80M-8k-retrieval  768   -                                  8192   -  -   -
    fireworks:fireworks/qwen3-embedding-8b              4096  32-4096                            32768  -  -   -
    fireworks:fireworks/qwen3-embedding-4b              2560  32-2560                            32768  -  -   -
    fireworks:fireworks/qwen3-embedding-0p6b            1024  32-1024                            32768  -  -   -
    fireworks:nomic-ai/nomic-embed-text-v1.5            768   64-768                             8192   -  -   -
    fireworks:WhereIsAI/UAE-Large-V1                    1024  -                                  -      -  -   -
    deepinfra:BAAI/bge-m3                               1024  -                                  8192   -  -   -
    deepinfra:intfloat/multilingual-e5-large            1024  -                                  512    -  -   0.01
    deepinfra:intfloat/multilingual-e5-large-instruct   1024  -                                  512    -  -   -
    deepinfra:Qwen/Qwen3-Embedding-8B                   4096  32-4096                            32768  -  -   -
    nebius:BAAI/bge-en-icl                              4096  -                                  -      -  -   -
    nebius:BAAI/bge-multilingual-gemma2                 3584  -                                  -      -  -   -
    nebius:intfloat/e5-mistral-7b-instruct              4096  -                                  4096   -  -   -
    nebius:Qwen/Qwen3-Embedding-8B                      4096  32-4096                            32768  -  -   -
    openrouter:openai/text-embedding-3-small            1536  1-1536                             8192   -  -   0.02
    openrouter:openai/text-embedding-3-large            3072  1-3072                             8192   -  -   0.13
    openrouter:openai/text-embedding-ada-002            1536  -                                  8192   -  -   0.1
    openrouter:intfloat/multilingual-e5-large           1024  -                                  512    -  -   0.01
    openrouter:qwen/qwen3-embedding-8b                  4096  32-4096                            32768  -  -   0.01
    scaleway:bge-multilingual-gemma2                    3584  -                                  -      -  -   -
    siliconflow:BAAI/bge-large-en-v1.5                  1024  -                                  512    -  -   -
    siliconflow:BAAI/bge-large-zh-v1.5                  1024  -                                  512    -  -   -
    siliconflow:BAAI/bge-m3                             1024  -                                  8192   -  -   -
    siliconflow:Pro/BAAI/bge-m3                         1024  -                                  8192   -  -   -
    siliconflow:netease-youdao/bce-embedding-base_v1    768   -                                  512    -  -   -
    siliconflow:Qwen/Qwen3-Embedding-8B                 4096  32-4096                            32768  -  -   -
    siliconflow:Qwen/Qwen3-Embedding-4B                 2560  32-2560                            32768  -  -   -
    siliconflow:Qwen/Qwen3-Embedding-0.6B               1024  32-1024                            32768  -  -   -
    dashscope:text-embedding-v4                         1024  64,128,256,512,768,1024,1536,2048  8192   -  -   0.072
    dashscope:text-embedding-v3                         1024  64,128,256,512,768,1024            8192   -  -   -
    dashscope:text-embedding-v2                         1536  -                                  2048   -  25  -
    dashscope:text-embedding-v1                         1536  -                                  2048   -  25  -
"""

# model, dimension, dimensions that may be asked for
OPEN = """
    nomic-embed-text               768   64-768
    nomic-embed-text-v1.5          768   64-768
    nomic-embed-text-v2-moe        768   256,768
    mxbai-embed-large              1024  128,256,512,768,1024
    mxbai-embed-large-v1           1024  128,256,512,768,1024
    snowflake-arctic-embed-m-v1.5  768   256,768
    snowflake-arctic-embed-m-v2.0  768   256,768
    snowflake-arctic-embed-l-v2.0  1024  256,1024
    snowflake-arctic-embed2        1024  256,1024
    embeddinggemma                 768   128,256,512,768
    embeddinggemma-300m            768   128,256,512,768
    qwen3-embedding-0.6b           1024  32-1024
    qwen3-embedding-4b             2560  32-2560
    qwen3-embedding-8b             4096  32-4096
    jina-embeddings-v3             1024  32-1024
    nomic-embed-text-v1            768   -
    all-minilm                     384   -
    all-minilm-l6-v2               384   -
    all-minilm-l12-v2              384   -
    all-mpnet-base-v2              768   -
    bge-m3                         1024  -
    bge-small-en-v1.5              384   -
    bge-base-en-v1.5               768   -
    bge-large-en-v1.5              1024  -
    multilingual-e5-small          384   -
    multilingual-e5-base           768   -
    multilingual-e5-large          1024  -
"""

# models in this process: dimension, languages, tokens of a text, MB of the file
LOCAL = """
    local:all-MiniLM-L6-v2                                             384   English    256   23
    local:sentence-transformers/all-MiniLM-L6-v2                       384   English    256   90
    local:BAAI/bge-small-en-v1.5                                       384   English    512   133
    local:BAAI/bge-base-en-v1.5                                        768   English    512   436
    local:BAAI/bge-large-en-v1.5                                       1024  English    512   1340
    local:mixedbread-ai/mxbai-embed-large-v1                           1024  English    512   1340
    local:Snowflake/snowflake-arctic-embed-xs                          384   English    512   90
    local:Snowflake/snowflake-arctic-embed-m-v1.5                      768   English    512   436
    local:thenlper/gte-base                                            768   English    512   436
    local:nomic-ai/nomic-embed-text-v1.5                               768   English    8192  547
    local:intfloat/multilingual-e5-small                               384   about_100  512   470
    local:intfloat/multilingual-e5-base                                768   about_100  512   1110
    local:sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2  384   about_50   128   471
    static:wordllama                                                   256   English    0     16
    static:minishlab/potion-base-8M                                    256   English    512   30
    static:minishlab/potion-retrieval-32M                              512   English    512   129
    static:minishlab/potion-multilingual-128M                          256   about_100  512   512
"""

HOSTS = ("TOGETHER", "FIREWORKS", "DEEPINFRA", "NEBIUS", "OPENROUTER", "SCALEWAY", "SILICONFLOW", "DASHSCOPE")
PROVIDERS = {
    "openai": openai.MODELS,
    "cohere": cohere.MODELS,
    "google": google.MODELS,
    "jina": jina.MODELS,
    "mistral": mistral.MODELS,
    "voyage": voyage.MODELS,
}


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


def cells(*facts: object) -> list[str]:
    return ["-" if fact is None else str(fact) for fact in facts]


def offered(model: HostedModel) -> str:
    if isinstance(model.dimensions, range):
        return f"{model.dimensions[0]}-{model.dimensions[-1]}"
    return ",".join(map(str, model.dimensions)) or "-"


def caps_of(model: HostedModel) -> tuple[int | None, int | None, int | None]:
    return model.max_text_tokens, model.max_batch_tokens, model.max_batch_texts


async def test_hosted_models() -> None:
    found = []
    for provider, models in PROVIDERS.items():
        for name, model in models.items():
            spec = (await opened(Fake([]), f"{provider}:{name}")).spec
            caps = spec.max_text_tokens, spec.max_batch_tokens, spec.max_batch_texts
            found.append(cells(f"{provider}:{name}", spec.dim, offered(model), *caps, spec.price))
    assert found == rows(HOSTED)


def test_models_of_other_hosts() -> None:
    apis = {name.lower(): api for name, api in vars(openai_hosts).items() if isinstance(api, HttpApi) and name in HOSTS}
    found = [
        cells(f"{host}:{name}", model.dim, offered(model), *caps_of(model), model.price)
        for host, api in apis.items()
        for name, model in api.models.items()
    ]
    assert found == rows(OF_OTHER_HOSTS)


def test_open_models() -> None:
    assert [cells(name, model.dim, offered(model)) for name, model in OPEN_MODELS.items()] == rows(OPEN)


def test_models_in_this_process() -> None:
    facts = [(each.model, each.dim, each.languages.replace(" ", "_"), each) for each in KNOWN_MODELS]
    assert [cells(*some, each.max_tokens, each.megabytes) for *some, each in facts] == rows(LOCAL)
    e5 = {"query": "query: ", "document": "passage: "}
    assert {each.repo: each.prompts for each in KNOWN_MODELS if each.prompts} == {
        "nomic-ai/nomic-embed-text-v1.5": {"query": "search_query: ", "document": "search_document: "},
        "intfloat/multilingual-e5-small": e5,
        "intfloat/multilingual-e5-base": e5,
    }


HERE = {"base_url": "http://localhost:9000"}


@pytest.mark.parametrize(
    ("name", "api", "settings", "facts"),
    [
        (
            "openai:new",
            openai.OPENAI,
            {},
            {
                "max_batch_texts": 2048,
                "max_batch_tokens": 300_000,
                "max_text_tokens": 8192,
                "max_concurrency": 32,
                "quota_scope": "model",
            },
        ),
        ("openai:new", openai.OPENAI, HERE, {"max_batch_texts": 128}),
        ("openai:new", openai.OPENAI, {**HERE, "batch_size": 7}, {"max_batch_texts": 7}),
        (
            "azure:new",
            azure.AZURE,
            HERE,
            {
                "max_batch_texts": 2048,
                "max_batch_tokens": 300_000,
                "max_text_tokens": 8192,
                "max_concurrency": 32,
                "quota_scope": "model",
            },
        ),
        ("cohere:new", cohere.COHERE, {}, {"max_batch_texts": 96, "inputs_per_minute": 2000}),
        ("cohere:new", cohere.COHERE, HERE, {"max_batch_texts": 96}),
        ("google:new", google.GOOGLE, {}, {"max_batch_texts": 100, "quota_unit": "input", "quota_scope": "model"}),
        ("jina:new", jina.JINA, {}, {"max_batch_texts": 2048, "max_concurrency": 5}),
        (
            "mistral:new",
            mistral.MISTRAL,
            {},
            {"max_batch_texts": 256, "max_batch_tokens": 16_384, "max_text_tokens": 8192},
        ),
        (
            "voyage:new",
            voyage.VOYAGE,
            {},
            {"max_batch_texts": 1000, "max_batch_tokens": 120_000, "quota_scope": "model"},
        ),
        (
            "ollama:new",
            ollama.OLLAMA,
            {},
            {"max_batch_texts": 64, "max_concurrency": 4, "adaptive": True, "timeout": 120.0},
        ),
        ("tei:new", tei.TEI, {}, {"max_batch_texts": 32, "max_concurrency": 8, "adaptive": True, "timeout": 60.0}),
        (
            "huggingface:new",
            openai_hosts.HUGGINGFACE,
            {},
            {"max_batch_texts": 32, "max_concurrency": 8, "timeout": 60.0},
        ),
        ("together:new", openai_hosts.TOGETHER, {}, {"max_batch_texts": 128}),
        ("deepinfra:new", openai_hosts.DEEPINFRA, {}, {"max_batch_texts": 1024}),
        ("siliconflow:new", openai_hosts.SILICONFLOW, {}, {"max_batch_texts": 64}),
        ("scaleway:new", openai_hosts.SCALEWAY, {}, {"max_batch_texts": 128, "quota_scope": "model"}),
        ("dashscope:new", openai_hosts.DASHSCOPE, {}, {"max_batch_texts": 10, "quota_scope": "model"}),
    ],
)
async def test_an_unknown_model_has_the_facts_of_its_provider(
    name: str, api: HttpApi, settings: dict[str, Any], facts: dict[str, Any]
) -> None:
    provider = await api(Fake([]).source(name, **settings))
    assert provider.spec == ModelSpec(name="new", provider=name.partition(":")[0], **facts)
