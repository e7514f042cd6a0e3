"""A model server that speaks OpenAI's protocol: it says its prompt back, a word a token, at a steady pace."""

import asyncio
import json
import time

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

MODEL = "parrot"
PAUSE_S = 0.02
app = FastAPI()


@app.get("/health")
def health():
    return {}


@app.get("/v1/models")
def models():
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "drydock"}]}


def usage(prompt, said):
    return {"prompt_tokens": len(prompt), "completion_tokens": len(said), "total_tokens": len(prompt) + len(said)}


def refusal(message, param):
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    return JSONResponse({"error": error}, status_code=400)


@app.post("/v1/chat/completions")
async def chat(request: Request):
    asked = await request.json()
    if asked.get("model") != MODEL:
        return refusal(f"The model '{asked.get('model')}' does not exist.", "model")
    prompt = " ".join(message["content"] for message in asked["messages"]).split()
    said = prompt[: asked.get("max_tokens") or len(prompt)]
    about = {"id": "chatcmpl-1", "created": int(time.time()), "model": MODEL}
    if not asked.get("stream"):
        message = {"role": "assistant", "content": " ".join(said)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return about | {"object": "chat.completion", "choices": [choice], "usage": usage(prompt, said)}
    with_usage = (asked.get("stream_options") or {}).get("include_usage")
    return StreamingResponse(chunks(about, prompt, said, with_usage), media_type="text/event-stream")


async def chunks(about, prompt, said, with_usage):
    about = about | {"object": "chat.completion.chunk"}
    deltas = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word + " "}, None) for word in said] + [({}, "stop")]
    for delta, finish in deltas:
        chunk = about | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        yield "data: " + json.dumps(chunk) + "\n\n"
        await asyncio.sleep(PAUSE_S)
    if with_usage:
        yield "data: " + json.dumps(about | {"choices": [], "usage": usage(prompt, said)}) + "\n\n"
    yield "data: [DONE]\n\n"


@app.post("/v1/embeddings")
async def embeddings(request: Request):
    asked = await request.json()
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    data = [{"object": "embedding", "index": n, "embedding": [float(len(text))]} for n, text in enumerate(texts)]
    tokens = sum(len(text.split()) for text in texts)
    return {"object": "list", "model": MODEL, "data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
