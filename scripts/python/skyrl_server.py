"""Serves SkyRL's Tinker API without uv: python skyrl_server.py --base-model MODEL --port N ... (options of skyrl.tinker.api)

SkyRL starts its engine, a second process, through `uv run`; here the engine is this file again, in the same Python. Each of
the two processes ends when the process that started it is gone, so no engine is left behind. Three lines make SkyRL,
written for Python 3.12, run on 3.11, where pydantic needs TypedDict from typing_extensions.
"""

import argparse
import os
import sys
import threading
import time
import typing

if sys.version_info < (3, 12):
    import typing_extensions

    typing.TypedDict = typing_extensions.TypedDict


def end_with_parent():
    parent = os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(0.3)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def serve():
    import uvicorn
    from skyrl.tinker import api
    from skyrl.tinker.config import EngineConfig, add_model, config_to_argv

    def engine_command(_, config):
        return [sys.executable, os.path.abspath(__file__), "engine", *config_to_argv(config)]

    api._build_uv_run_cmd_engine = engine_command
    parser = argparse.ArgumentParser()
    add_model(parser, EngineConfig)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = vars(parser.parse_args())
    host, port = options.pop("host"), options.pop("port")
    api.app.state.engine_config = EngineConfig.model_validate(options)
    uvicorn.run(api.app, host=host, port=port, log_level="warning")


def engine():
    from skyrl.tinker.engine import main

    main()


end_with_parent()
if sys.argv[1:2] == ["engine"]:
    del sys.argv[1]
    engine()
else:
    serve()
