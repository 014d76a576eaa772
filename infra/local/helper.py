"""What `cargo local` asks of the emulator through AWS's own SDK.

  prepare SENDER              the bucket that a deploy needs, the address that e-mails come from
  finish STACK TEMPLATE       routes, CORS and caps, which the emulator leaves out of a template; tells what it made
  invoke STACK FUNCTION EVENT
  replace STACK FUNCTION      its code, by what was packed last
  logs STACK FUNCTION
  settings STACK              the names of each function's variables
  mail URL                    what was sent to people
"""
import json
import sys
import urllib.request
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def prepare(sender):
    # What sam uploads the template to.
    boto3.client("s3").create_bucket(Bucket="sam-local")
    boto3.client("sesv2").create_email_identity(EmailIdentity=sender)


def finish(name, template):
    template, functions, api = json.loads(template), boto3.client("lambda"), boto3.client("apigatewayv2")
    (api_id,) = (item["ApiId"] for item in api.get_apis()["Items"])
    api.update_api(ApiId=api_id, CorsConfiguration=template["api"]["CorsConfiguration"])
    routes = {route["RouteKey"]: route["RouteId"] for route in api.get_routes(ApiId=api_id, MaxResults="500")["Items"]}
    for function in template["functions"]:
        physical, cap = f"{name}-{function['binary']}", function["cap"]["M0"]
        if cap is not None:
            functions.put_function_concurrency(FunctionName=physical, ReservedConcurrentExecutions=cap)
        missing = [route for route in function["route_keys"] if not routes.pop(route, None)]
        if missing:
            uri = f"arn:aws:lambda:us-east-1:000000000000:function:{physical}"
            made = api.create_integration(ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=uri, PayloadFormatVersion="2.0")
        for route in missing:
            api.create_route(ApiId=api_id, RouteKey=route, Target=f"integrations/{made['IntegrationId']}")
    for strange in routes.values():
        api.delete_route(ApiId=api_id, RouteId=strange)
    described = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    print(json.dumps({"outputs": outputs, "apiId": api_id, "variables": variables(name)}))


def functions_of(name):
    pages = boto3.client("lambda").get_paginator("list_functions").paginate()
    functions = [f for page in pages for f in page["Functions"] if f["FunctionName"].startswith(f"{name}-")]
    return {f["FunctionName"].removeprefix(f"{name}-"): f for f in functions}


def known(name, function):
    """The function's name at AWS, if the stack has it."""
    if function not in functions_of(name):
        sys.exit(f"there is no function {function}: `cargo local settings` lists them")
    return f"{name}-{function}"


def invoke(name, function, event):
    try:
        json.loads(event)
    except ValueError as error:
        sys.exit(f"the event is not JSON: {error}")
    answer = boto3.client("lambda").invoke(FunctionName=known(name, function), Payload=event.encode())
    payload = answer["Payload"].read().decode()
    if answer.get("FunctionError") or answer["StatusCode"] >= 300:
        sys.exit(f"{function} failed: {message(payload)} (`cargo local logs {function}` has the details)")
    print(payload)


def message(payload):
    try:
        return json.loads(payload)["errorMessage"]
    except (ValueError, KeyError, TypeError):
        return " ".join(payload.split())


def replace(name, function):
    archive = Path(".local/functions") / function / "bootstrap.zip"
    client = boto3.client("lambda")
    client.update_function_code(FunctionName=known(name, function), ZipFile=archive.read_bytes())
    client.get_waiter("function_updated_v2").wait(FunctionName=f"{name}-{function}", WaiterConfig={"Delay": 1})


def logs(name, function):
    if function:
        known(name, function)
    client, group = boto3.client("logs"), f"/{name}/functions"
    # The emulator gives 10,000 lines at most, and no second page: it is asked for each stream by itself.
    pages = client.get_paginator("describe_log_streams").paginate(logGroupName=group)
    streams = [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
    answers = [client.filter_log_events(logGroupName=group, logStreamNames=[stream]) for stream in streams]
    events = [event for answer in answers for event in answer["events"]]
    # One group for all functions: a line tells whose it and its stream are. No function means all of them.
    mark = f'"function":"{name}-{function}"' if function else ""
    streams = {event["logStreamName"] for event in events if mark in event["message"].replace('"Function"', '"function"')}
    for event in sorted(events, key=lambda event: event["timestamp"]):
        if event["logStreamName"] in streams:
            print(event["message"].rstrip())


def variables_by_function(name):
    return {function: its["Environment"]["Variables"] for function, its in functions_of(name).items()}


def settings(name):
    for function, its in sorted(variables_by_function(name).items()):
        print(f"{function:22} {' '.join(sorted(key for key, value in its.items() if value))}")


def variables(name):
    """Every variable of every function, a line each."""
    every = {key: value for its in variables_by_function(name).values() for key, value in its.items() if value}
    return "".join(f"{key}={value}\n" for key, value in sorted(every.items()))


def mail(url):
    def read(what):
        with urllib.request.urlopen(f"{url}/_ministack/{what}") as answer:
            return json.load(answer)

    for message in read("ses/messages")["messages"].get("000000000000", []):
        print(f"To: {', '.join(message['To'])}\nSubject: {message['Subject']}\n\n{message['BodyText']}\n")
    for number, messages in read("sns/sms-messages")["sms_messages"].items():
        for message in messages:
            print(f"To: {number}\n\n{message['Message']}\n")


if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    verbs = [prepare, finish, invoke, replace, logs, settings, mail]
    try:
        {work.__name__.replace("_", "-"): work for work in verbs}[verb](*arguments)
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"the emulator of AWS refused or does not answer (.local/log/aws.log): {error}")
