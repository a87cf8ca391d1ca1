"""temporary"""
from pathlib import Path
def save_grid(samples, path):
    from PIL import Image
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L",(8,8)).save(path)
