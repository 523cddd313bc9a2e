variable "TAG" {
  default = "dev"
}

group "default" {
  targets = ["web", "api"]
}

target "base" {
  context = "base"
}

target "web" {
  context  = "web"
  contexts = { base = "target:base" }
  tags     = ["shop/web:${TAG}"]
}

target "api" {
  context  = "api"
  contexts = { base = "target:base" }
  tags     = ["shop/api:${TAG}"]
}
