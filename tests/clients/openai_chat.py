"""A deployment of a server with OpenAI's protocol, asked by OpenAI's own client: plain and streamed, counted and not, refused."""

import os
import sys
import time

import openai

address, served, mlflow_served = sys.argv[1:]
key = os.environ["DRYDOCK_TOKEN"]
client = openai.OpenAI(base_url=f"{address}/serve/{served}/v1", api_key=key, max_retries=0)
assert [model.id for model in client.models.list()] == ["parrot"]
prompt = [{"role": "user", "content": "one two three four five six seven eight nine ten"}]

answer = client.chat.completions.create(model="parrot", messages=prompt)
assert answer.choices[0].message.content == prompt[0]["content"], answer
assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (10, 10), answer.usage

# streams as it is made: the first words are there long before the last
for options, usage in [({"include_usage": True}, 10), (None, None)]:
    began, first, words, counted = time.perf_counter(), None, [], None
    more = {"stream_options": options} if options else {}
    for chunk in client.chat.completions.create(model="parrot", messages=prompt, stream=True, **more):
        if chunk.choices and chunk.choices[0].delta.content:
            first = first or time.perf_counter() - began
            words.append(chunk.choices[0].delta.content)
        counted = chunk.usage or counted
    took = time.perf_counter() - began
    assert "".join(words).split() == prompt[0]["content"].split(), words
    assert first < took - 0.1, (first, took)
    assert (counted.completion_tokens if counted else None) == usage, counted

found = client.embeddings.create(model="parrot", input=["a b c", "d"])
assert [item.embedding for item in found.data] == [[5.0], [1.0]], found
assert found.usage.prompt_tokens == 4


def refusal(kind, call):
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError("it was taken")


why = refusal(openai.BadRequestError, lambda: client.chat.completions.create(model="crow", messages=prompt))
assert "crow" in why, why
other = openai.OpenAI(base_url=f"{address}/serve/{mlflow_served}/v1", api_key=key, max_retries=0)
why = refusal(openai.NotFoundError, lambda: other.models.list())
assert "does not speak OpenAI's API" in why and "/invocations" in why, why
nobody = openai.OpenAI(base_url=f"{address}/serve/{served}/v1", api_key="wrong", max_retries=0)
refusal(openai.AuthenticationError, lambda: nobody.models.list())
none = openai.OpenAI(base_url=f"{address}/serve/none/v1", api_key=key, max_retries=0)
why = refusal(openai.NotFoundError, lambda: none.models.list())
assert "There is no deployment 'none'" in why, why
