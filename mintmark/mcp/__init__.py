"""The assistants' door: what is at work in an assistant as MCP prompts, and what it can do as tools."""
